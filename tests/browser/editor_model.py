# SPDX-License-Identifier: MIT
"""A second, plain account of what the editor's tools do to a label map, and a hand that moves the mouse over it."""

from serving import SIDE


def brush(size):
    """The pixels of a round brush."""
    centre = size / 2
    return {(x, y) for y in range(size) for x in range(size)
            if (y + .5 - centre) ** 2 + (x + .5 - centre) ** 2 <= centre ** 2 + 1e-9}


def line(start, end):
    """Bresenham."""
    (x, y), (to_x, to_y) = start, end
    dx, dy = abs(to_x - x), -abs(to_y - y)
    step_x, step_y = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
    error = dx + dy
    while True:
        yield x, y
        if (x, y) == (to_x, to_y):
            return
        twice = 2 * error
        if twice >= dy:
            error += dy
            x += step_x
        if twice <= dx:
            error += dx
            y += step_y


class Model:
    def __init__(self, side=SIDE):
        self.side, self.map = side, bytearray(side * side)

    def put(self, x, y, value):
        if 0 <= x < self.side and 0 <= y < self.side:
            self.map[y * self.side + x] = value

    def stroke(self, points, size, value):
        origin, shape = (size - 1) >> 1, brush(size)
        for start, end in zip(points, points[1:] or points):
            for x, y in line(start, end):
                for dx, dy in shape:
                    self.put(x - origin + dx, y - origin + dy, value)

    def rectangle(self, a, b, value):
        for y in range(min(a[1], b[1]), max(a[1], b[1]) + 1):
            for x in range(min(a[0], b[0]), max(a[0], b[0]) + 1):
                self.put(x, y, value)

    def oval(self, cx, cy, rx, ry, value):
        for y in range(self.side):
            for x in range(self.side):
                if ((x + .5 - cx) / rx) ** 2 + ((y + .5 - cy) / ry) ** 2 <= 1:
                    self.put(x, y, value)

    def ellipse(self, a, b, value):
        self.oval((a[0] + b[0] + 1) / 2, (a[1] + b[1] + 1) / 2, (abs(a[0] - b[0]) + 1) / 2, (abs(a[1] - b[1]) + 1) / 2, value)

    def fill(self, x, y, value):
        old, seen, todo = self.map[y * self.side + x], set(), [(x, y)]
        while todo:
            x, y = todo.pop()
            if (x, y) in seen or not (0 <= x < self.side and 0 <= y < self.side) or self.map[y * self.side + x] != old:
                continue
            seen.add((x, y))
            todo += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
        for x, y in seen:
            self.put(x, y, value)

    def bytes(self):
        return bytes(self.map)


class Hand:
    """Moves the mouse over label pixels."""

    def __init__(self, page, side=SIDE):
        self.page, self.side = page, side
        page.check("#mask-draw", force=True)
        self.show()

    def show(self):
        self.page.evaluate("document.querySelector('#stage').scrollIntoView({block: 'center'})")

    def box(self):
        return self.page.evaluate("""() => { const r = document.querySelector("canvas.labels").getBoundingClientRect();
          return [r.x, r.y, r.width, r.height]; }""")

    def at(self, point):
        x, y, width, height = self.box()
        return x + (point[0] + .5) * width / self.side, y + (point[1] + .5) * height / self.side

    def drag(self, points):
        self.page.mouse.move(*self.at(points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(point))
        self.page.mouse.up()

    def click(self, point):
        self.page.mouse.click(*self.at(point))
