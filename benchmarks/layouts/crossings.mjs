// How bad a picture is: crossing edges, and edges that run through boxes that are not their ends.

const CELL = 200;
const EPSILON = 1e-6;

function segments(lines) {
  return lines.flatMap((points, edge) => points.slice(1).map((to, index) => ({ edge, from: points[index], to })));
}

/** Calls `visit(key)` for each cell of the grid that the bounds of a segment touch. */
function cells({ from, to }, visit) {
  const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])].map((x) => Math.floor(x / CELL));
  const [top, bottom] = [Math.min(from[1], to[1]), Math.max(from[1], to[1])].map((y) => Math.floor(y / CELL));
  for (let x = left; x <= right; x += 1) for (let y = top; y <= bottom; y += 1) visit(x * 1e6 + y);
}

const side = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));

function cross(one, other) {
  return side(one.from, one.to, other.from) * side(one.from, one.to, other.to) < 0
    && side(other.from, other.to, one.from) * side(other.from, other.to, one.to) < 0;
}

/** Pairs of edges without a common end that cross, each pair once. */
export function countCrossings(lines, ends) {
  const grid = new Map();
  const all = segments(lines);
  all.forEach((segment, index) => cells(segment, (key) => {
    if (!grid.has(key)) grid.set(key, []);
    grid.get(key).push(index);
  }));
  const pairs = new Set();
  for (const near of grid.values()) {
    for (let i = 0; i < near.length; i += 1) {
      for (let j = i + 1; j < near.length; j += 1) {
        const [one, other] = [all[near[i]], all[near[j]]];
        if (one.edge === other.edge || ends[one.edge].some((end) => ends[other.edge].includes(end))) continue;
        if (cross(one, other)) pairs.add(Math.min(one.edge, other.edge) * lines.length + Math.max(one.edge, other.edge));
      }
    }
  }
  return pairs.size;
}

function meets({ from, to }, [x, y, width, height]) {
  // Liang and Barsky 1984: the part of the segment within the box.
  let [start, end] = [0, 1];
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  for (const [p, q] of [[-dx, from[0] - x], [dx, x + width - from[0]], [-dy, from[1] - y], [dy, y + height - from[1]]]) {
    if (Math.abs(p) < EPSILON) {
      if (q < 0) return false;
    } else if (p < 0) start = Math.max(start, q / p);
    else end = Math.min(end, q / p);
  }
  return end - start > EPSILON;
}

/** Edges that run through a box that is none of their ends. */
export function countThrough(lines, ends, boxes) {
  const inner = boxes.map(([x, y, width, height]) => [x + 1, y + 1, width - 2, height - 2]);
  return lines.filter((points, edge) =>
    segments([points]).some((segment) =>
      inner.some((box, node) => !ends[edge].includes(node) && meets(segment, box)))).length;
}
