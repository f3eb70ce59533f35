// SPDX-License-Identifier: MIT
// Shapes in label space. No smoothing anywhere: a pixel has a label or it hasn't, and the result
// depends on pixel numbers only, never on the screen's resolution.

// The runs [from, to] of each row of a round brush with the given diameter.
export const brushRuns = (size) => Array.from({ length: size }, (_, row) => {
  const dy = row + 0.5 - size / 2;
  const half = Math.sqrt(Math.max(0, (size / 2) ** 2 - dy * dy));
  const from = Math.ceil(size / 2 - half - 0.5);
  const to = Math.floor(size / 2 + half - 0.5);
  return from <= to ? [from, to] : [Math.floor((size - 1) / 2), Math.floor(size / 2)];
});

export const brushOrigin = (size) => (size - 1) >> 1;

const put = (map, x, y, label) => {
  if (x >= 0 && y >= 0 && x < map.width && y < map.height) {
    map.labels[y * map.width + x] = label;
  }
};

export const stamp = (map, x, y, size, label) => {
  const origin = brushOrigin(size);
  brushRuns(size).forEach(([from, to], row) => {
    for (let i = from; i <= to; i += 1) {
      put(map, x - origin + i, y - origin + row, label);
    }
  });
};

// Bresenham's line, both ends included.
export const eachOnLine = (x0, y0, x1, y1, visit) => {
  const dx = Math.abs(x1 - x0);
  const dy = -Math.abs(y1 - y0);
  const sx = Math.sign(x1 - x0);
  const sy = Math.sign(y1 - y0);
  let error = dx + dy;
  for (;;) {
    visit(x0, y0);
    if (x0 === x1 && y0 === y1) {
      return;
    }
    const twice = 2 * error;
    if (twice >= dy) {
      error += dy;
      x0 += sx;
    }
    if (twice <= dx) {
      error += dx;
      y0 += sy;
    }
  }
};

export const stroke = (map, from, to, size, label) => eachOnLine(from.x, from.y, to.x, to.y,
  (x, y) => stamp(map, x, y, size, label));

const box = (a, b) => ({ x0: Math.min(a.x, b.x), y0: Math.min(a.y, b.y),
  x1: Math.max(a.x, b.x), y1: Math.max(a.y, b.y) });

export const rectangle = (map, a, b, label) => {
  const { x0, y0, x1, y1 } = box(a, b);
  for (let y = y0; y <= y1; y += 1) {
    for (let x = x0; x <= x1; x += 1) {
      put(map, x, y, label);
    }
  }
};

// A pixel belongs to the ellipse when its centre does; (x, y) and radii may be fractions.
export const ellipseAt = (map, x, y, rx, ry, label) => {
  for (let py = Math.floor(y - ry); py <= y + ry; py += 1) {
    for (let px = Math.floor(x - rx); px <= x + rx; px += 1) {
      if (((px + 0.5 - x) / rx) ** 2 + ((py + 0.5 - y) / ry) ** 2 <= 1) {
        put(map, px, py, label);
      }
    }
  }
};

export const ellipse = (map, a, b, label) => {
  const { x0, y0, x1, y1 } = box(a, b);
  ellipseAt(map, (x0 + x1 + 1) / 2, (y0 + y1 + 1) / 2, (x1 - x0 + 1) / 2, (y1 - y0 + 1) / 2, label);
};

const crossings = (points, y) => {
  const found = [];
  points.forEach((a, i) => {
    const b = points[(i + 1) % points.length];
    if ((a.y <= y) !== (b.y <= y)) {
      found.push(a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y));
    }
  });
  return found.sort((a, b) => a - b);
};

// Even-odd inside, and every pixel of the outline, so that thin polygons don't vanish.
export const polygon = (map, points, label) => {
  for (let y = 0; y < map.height; y += 1) {
    const xs = crossings(points, y);
    for (let i = 0; i + 1 < xs.length; i += 2) {
      for (let x = Math.ceil(xs[i]); x <= xs[i + 1]; x += 1) {
        put(map, x, y, label);
      }
    }
  }
  points.forEach((a, i) => stroke(map, a, points[(i + 1) % points.length], 1, label));
};

// The 4-connected area with one label around a pixel.
export const component = ({ labels, width, height }, x, y) => {
  const inside = new Uint8Array(width * height);
  const target = labels[y * width + x];
  const open = [y * width + x];
  while (open.length > 0) {
    const at = open.pop();
    if (inside[at] || labels[at] !== target) {
      continue;
    }
    inside[at] = 1;
    const column = at % width;
    if (column > 0) open.push(at - 1);
    if (column < width - 1) open.push(at + 1);
    if (at >= width) open.push(at - width);
    if (at < width * (height - 1)) open.push(at + width);
  }
  return inside;
};

export const fill = (map, x, y, label) => {
  component(map, x, y).forEach((inside, i) => {
    if (inside) {
      map.labels[i] = label;
    }
  });
};

export const boundsOf = (inside, width) => {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -1, -1];
  inside.forEach((value, i) => {
    if (value) {
      const x = i % width;
      const y = Math.floor(i / width);
      [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    }
  });
  return x1 < 0 ? null : { x: x0, y: y0, w: x1 - x0 + 1, h: y1 - y0 + 1 };
};
