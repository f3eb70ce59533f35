# SPDX-License-Identifier: MIT
"""The mask editor: what is drawn with the mouse, a finger or keys is what the server gets, to the pixel."""

import random

from editor_model import Hand, Model
from serving import SIDE
from support import Case, mask_at_server, newest

ACTIONS = 200


def size(page, value):
    page.page.fill("#brush-number", str(value))
    page.key("Escape")


class Editor(Case):
    def same(self, page, model, what):
        wrong = sum(a != b for a, b in zip(page.labels(), model.bytes(), strict=True))
        self.assertEqual(wrong, 0, f"{what}: {wrong} wrong pixels")

    def start(self, **options):
        page = self.opened(**options)
        return page, Hand(page.page), Model()

    def every_tool(self, page, hand, model):
        for name, diameter, points in (("brush", 5, [(4, 4), (10, 7), (16, 16)]), ("thin brush", 1, [(1, 30), (30, 25)]),
                                       ("even brush", 8, [(26, 6), (26, 8)])):
            page.key("b")
            size(page, diameter)
            hand.drag(points)
            model.stroke(points, diameter, 1)
            self.same(page, model, name)
        page.key("e")
        size(page, 3)
        hand.drag([(5, 0), (5, 31)])
        model.stroke([(5, 0), (5, 31)], 3, 0)
        self.same(page, model, "eraser")
        page.key("2")
        page.key("r")
        hand.drag([(20, 14), (22, 15), (28, 20)])
        model.rectangle((20, 14), (28, 20), 2)
        self.same(page, model, "rectangle")
        page.key("o")
        hand.drag([(8, 18), (15, 27)])
        model.ellipse((8, 18), (15, 27), 2)
        self.same(page, model, "ellipse")
        page.key("1")
        page.key("f")
        hand.click((24, 17))
        model.fill(24, 17, 1)
        hand.click((31, 0))
        model.fill(31, 0, 1)
        self.same(page, model, "fill")
        page.key("2")
        page.key("p")
        for point in ((20, 20), (30, 20), (30, 30), (20, 30), (20, 20)):
            hand.click(point)
        model.rectangle((20, 20), (30, 30), 2)
        self.same(page, model, "polygon")

    def drawn_and_sent(self, ratio):
        page, hand, model = self.start(device_scale_factor=ratio)
        self.every_tool(page, hand, model)
        page.generate(prompt=f"ratio {ratio}")
        self.assertEqual(mask_at_server(self.server, newest(self.server)), (SIDE, SIDE, model.bytes()))
        for _ in range(4):
            page.key("Control+z")
        for _ in range(4):
            page.key("Control+y")
        self.same(page, model, "undone and done again")

    def test_every_tool_at_ratio_1(self):
        self.drawn_and_sent(1)

    def test_every_tool_at_ratio_1_5(self):
        self.drawn_and_sent(1.5)

    def test_every_tool_at_ratio_2(self):
        self.drawn_and_sent(2)

    def test_every_tool_at_ratio_3(self):
        self.drawn_and_sent(3)

    def test_painting_while_zoomed_and_panning(self):
        page, hand, model = self.start(device_scale_factor=1.5)
        for _ in range(3):
            page.page.click("#zoom-in")
        page.key("b")
        size(page, 3)
        stage = page.page.locator("#stage").bounding_box()
        left, top, width, _ = hand.box()
        scale = width / SIDE
        x = int((stage["x"] + stage["width"] / 2 - left) / scale)
        y = int((stage["y"] + stage["height"] / 2 - top) / scale)
        hand.drag([(x, y), (x + 3, y + 2)])
        model.stroke([(x, y), (x + 3, y + 2)], 3, 1)
        self.same(page, model, "zoomed")
        page.page.locator("canvas.labels").focus()
        page.page.mouse.move(*hand.at((x, y)))
        page.page.keyboard.down("Space")
        page.page.mouse.down()
        page.page.mouse.move(stage["x"] + 40, stage["y"] + 60)
        page.page.mouse.up()
        page.page.keyboard.up("Space")
        self.same(page, model, "panned")
        self.assertNotEqual(hand.box()[:2], [left, top])
        page.page.keyboard.press("0")
        self.assertEqual(page.page.inner_text("#zoom-reset"), "100 %")

    def test_moving_scaling_and_nudging_a_piece(self):
        page, hand, model = self.start()
        page.key("r")
        hand.drag([(5, 5), (12, 12)])
        page.key("v")
        hand.drag([(8, 8), (11, 12)])
        model.rectangle((8, 9), (15, 16), 1)
        self.same(page, model, "moved")
        left, top, width, _ = hand.box()
        scale = width / SIDE
        page.page.mouse.move(left + 16 * scale, top + 17 * scale)  # the handle at the lower right corner
        page.page.mouse.down()
        page.page.mouse.move(*hand.at((20, 21)))
        page.page.mouse.up()
        model = Model()
        model.rectangle((8, 9), (20, 21), 1)
        self.same(page, model, "scaled")
        page.page.locator("canvas.labels").focus()
        page.page.keyboard.press("ArrowRight")
        page.page.keyboard.press("Shift+ArrowDown")
        model = Model()
        model.rectangle((9, 17), (21, 29), 1)
        self.same(page, model, "nudged")
        page.page.keyboard.press("Delete")
        self.same(page, Model(), "removed")
        page.page.keyboard.press("Control+z")
        self.same(page, model, "back")

    def test_whole_class_polygon_under_way_and_numbers(self):
        page, hand, model = self.start()
        page.key("r")
        hand.drag([(3, 3), (6, 6)])
        hand.drag([(15, 15), (18, 18)])
        page.key("v")
        page.page.check("#whole-class")
        hand.show()
        hand.drag([(4, 4), (6, 5)])
        model.rectangle((5, 4), (8, 7), 1)
        model.rectangle((17, 16), (20, 19), 1)
        self.same(page, model, "whole class moved")
        page.page.keyboard.press("Escape")
        page.key("p")
        for point in ((22, 22), (28, 22), (28, 28)):
            hand.click(point)
        page.key("Escape")
        self.same(page, model, "polygon given up")
        for point in ((22, 22), (28, 22), (28, 28), (22, 28)):
            hand.click(point)
        page.view("history")
        page.view("generate")
        model.rectangle((22, 22), (28, 28), 1)
        self.same(page, model, "a polygon under way is kept when the view changes")
        page.fold("#editor details")
        for name, value in (("x", 10.5), ("y", 24), ("rx", 4), ("ry", 2.5)):
            page.page.fill(f"#by-{name}", str(value))
        page.page.keyboard.press("Enter")
        model.oval(10.5, 24, 4, 2.5, 1)
        self.same(page, model, "ellipse by numbers")
        self.assertEqual(page.page.locator(".job, .result").count(), 0, "Enter in a number's box must not start a job")
        page.page.fill("#by-rx", "-1")
        page.page.keyboard.press("Enter")
        self.assertIn("above 0", page.page.inner_text("#by-error"))

    def test_undo_and_redo_of_a_hundred_strokes(self):
        page, hand, _ = self.start()
        page.key("b")
        size(page, 1)
        states = [page.labels()]
        for i in range(100):
            hand.click((i % 25 + 1, i // 25 * 6 + 2))
            states.append(page.labels())
        self.assertEqual(len(set(states)), 101)
        for state in states[-2::-1]:
            page.page.keyboard.press("Control+z")
            self.assertEqual(page.labels(), state)
        for state in states[1:]:
            page.page.keyboard.press("Control+Shift+z")
            self.assertEqual(page.labels(), state)

    def test_random_actions_against_the_model(self):
        page, hand, model = self.start()
        choose = random.Random(1)
        past, at, tool, diameter, label = [model.bytes()], 0, "b", 4, 1
        page.key("b")
        size(page, diameter)
        for i in range(ACTIONS):
            what = choose.choice(["paint", "paint", "tool", "size", "label", "undo", "redo", "view", "language", "theme"])
            if what == "paint":
                hand.show()
                a, b = [(choose.randrange(SIDE), choose.randrange(SIDE)) for _ in "ab"]
                hand.drag([a, b])
                if tool in "be":
                    model.stroke([a, b], diameter, label if tool == "b" else 0)
                elif tool == "r":
                    model.rectangle(a, b, label)
                else:
                    model.ellipse(a, b, label)
                if model.bytes() != past[at]:
                    past[at + 1:] = [model.bytes()]
                    at += 1
            elif what == "tool":
                tool = choose.choice("bero")
                page.key(tool)
            elif what == "size" and tool in "be":
                diameter = choose.randint(1, 12)
                size(page, diameter)
            elif what == "label" and tool != "e":
                label = choose.choice((1, 2))
                page.key(str(label))
            elif what in ("undo", "redo"):
                page.key("Control+z" if what == "undo" else "Control+y")
                at = max(0, at - 1) if what == "undo" else min(len(past) - 1, at + 1)
                model.map = bytearray(past[at])
            elif what == "view":
                page.view(choose.choice(["history", "compare", "evaluate"]))
                page.view("generate")
            elif what == "language":
                page.page.click(f"[data-language={choose.choice(['zh', 'en'])}]")
            elif what == "theme":
                page.page.select_option("#theme", choose.choice(["light", "dark"]))
            self.same(page, model, f"action {i}, {what} {tool} {diameter}")

    def test_finger_and_pinch(self):
        page = self.opened(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=3)
        hand, model = Hand(page.page), Model()
        page.page.fill("#brush-number", "3")
        hand.show()
        session = page.context.new_cdp_session(page.page)

        def touch(kind, *points):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
                {"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]})
        points = [(5, 5), (10, 15), (20, 16)]
        touch("touchStart", hand.at(points[0]))
        for point in points[1:]:
            touch("touchMove", hand.at(point))
        touch("touchEnd")
        page.page.wait_for_timeout(100)
        model.stroke(points, 3, 1)
        self.same(page, model, "finger")
        a, b = hand.at((10, 10)), hand.at((20, 20))
        wide = hand.at((5, 5)), hand.at((25, 25))
        touch("touchStart", a)
        touch("touchStart", a, b)
        touch("touchMove", *wide)
        page.page.wait_for_timeout(100)
        touch("touchEnd")
        page.page.wait_for_timeout(100)
        self.same(page, model, "a pinch does not paint")
        self.assertEqual(page.page.inner_text("#zoom-reset"), "200 %")

    def test_another_size_and_back(self):
        page, hand, model = self.start()
        page.key("o")
        hand.drag([(5, 5), (20, 25)])
        model.ellipse((5, 5), (20, 25), 1)
        page.settings(width=64)
        page.page.locator("#f-width").blur()
        page.until("medaugEditor.width === 64 && medaugEditor.height === 32")
        page.key("Control+z")
        page.until("medaugEditor.width === 32")
        self.assertEqual(page.page.input_value("#f-width"), "32")
        self.same(page, model, "back at the old size")
