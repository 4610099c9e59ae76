// The matrix on paper: on one sheet where it can still be read so, else in parts, a sheet each.
"use strict";

// What an upright sheet of A4 or Letter holds below the page's head, in CSS pixels.
const SHEET = { width: 680, height: 800 };
const LEAST_SCALE = 0.45;

/** Puts the parts that hold a square in place of the whole; `showMatrix` brings it back. */
function putMatrixOnPaper() {
  const { picture, rows, columns, cell, head } = matrixShown;
  const scale = Math.min(1, SHEET.width / (head + columns.length * cell + 1), SHEET.height / (head + rows.length * cell + 1));
  const used = Math.max(scale, LEAST_SCALE);
  const [across, down] = [SHEET.width, SHEET.height].map((room) => Math.floor((room / used - head) / cell));
  const parts = scale >= LEAST_SCALE ? [[rows, columns]]
    : pieces(rows, down).flatMap((some) => pieces(columns, across).map((others) => [some, others]));
  byId("matrix").replaceChildren(...parts.filter(([some, others]) => hasSquare(picture, new Set(some), new Set(others)))
    .map(([some, others]) => {
      const made = matrixGrid(some, others, { cell, head });
      made.style.zoom = used;
      return made;
    }));
}

/** A list in as few parts as its size allows, all of about one length. */
function pieces(list, most) {
  const count = Math.ceil(list.length / most);
  const size = Math.ceil(list.length / count);
  return Array.from({ length: count }, (_, index) => list.slice(index * size, (index + 1) * size));
}

function hasSquare({ bundles, groups }, rows, columns) {
  return bundles.some(({ from, to }) => rows.has(from) && columns.has(to))
    || groups.some((group) => !group.open && group.inside.length && rows.has(group) && columns.has(group));
}
