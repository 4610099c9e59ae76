// The matrix: a row for each box that calls, a column for each that is called, a square for a
// bundle. Headings stay in sight; dense graphs stay readable.
"use strict";

const HEAD_FONT = "11px system-ui, sans-serif";
const HEAD_BOLD = "600 11px system-ui, sans-serif";
let matrixShown = null;

function showMatrix(picture) {
  const had = document.activeElement?.closest?.("#matrix") ? document.activeElement.dataset.id : null;
  const order = matrixOrder(picture);
  const ends = (side) => new Set(picture.bundles.map((bundle) => bundle[side]));
  const [clients, servers] = [ends("from"), ends("to")];
  const rows = order.filter((box) => clients.has(box) || !box.workload);
  const columns = order.filter((box) => servers.has(box) || !box.workload);
  const cell = rows.length > 120 || columns.length > 120 ? 13 : rows.length > 40 || columns.length > 40 ? 16 : 22;
  const head = headSize([...rows, ...columns]);
  matrixShown = { picture, rows, columns, cell, head, items: new Map() };
  byId("matrix").replaceChildren(picture.boxes.length ? matrixGrid(rows, columns, { cell, head })
    : element("p", { class: "empty", text: "No call matches." }));
  const first = matrixShown.items.get(had ?? "") ?? [...matrixShown.items.values()][0];
  if (!first) return;
  first.drawn.setAttribute("tabindex", "0");
  if (had !== null) first.drawn.focus({ preventScroll: true });
  markMatrix();
}

/** Some rows and columns of the matrix, with their headings. */
function matrixGrid(rows, columns, { cell, head }) {
  const size = { cell, head, width: columns.length * cell, height: rows.length * cell };
  return element("div", { class: "matrix-grid" }, corner(head), columnHeads(columns, size), rowHeads(rows, size),
    squares(matrixShown.picture, rows, columns, size));
}

const matrixName = (box) => shortened(box.workload ? boxName(box) : `${box.open ? "▾" : "▸"} ${box.title} (${box.members.length})`, 30);
const headSize = (boxes) => Math.min(Math.max(60, ...boxes.map((box) => widthOf(matrixName(box), box.workload ? HEAD_FONT : HEAD_BOLD) + 34)), 240);

function corner(head) {
  return drawing("svg", { class: "corner", width: head, height: head, "aria-hidden": "true" },
    drawing("text", { class: "small", x: 10, y: head - 10, text: "clients ↓" }),
    drawing("text", { class: "small", x: head - 8, y: 20, "text-anchor": "end", text: "servers →" }));
}

function columnHeads(columns, { cell, head, width }) {
  const made = drawing("svg", { class: "column-heads", width: width + 1, height: head, role: "group", "aria-label": "Servers" });
  columns.forEach((box, index) => made.append(heading(box, "column", index,
    drawing("g", { transform: `translate(${index * cell} ${head}) rotate(-90)` }), cell, head)));
  return made;
}

function rowHeads(rows, { cell, head, height }) {
  const made = drawing("svg", { class: "row-heads", width: head, height: height + 1, role: "group", "aria-label": "Clients" });
  rows.forEach((box, index) => made.append(heading(box, "row", index,
    drawing("g", { transform: `translate(0 ${index * cell})` }), cell, head)));
  return made;
}

/** A heading of a row or, turned, of a column: swatch and name. */
function heading(box, axis, index, drawn, cell, head) {
  const left = axis === "column";
  const inset = left ? 4 : head - 14;
  drawn.setAttribute("class", "heading" + (box.workload ? "" : " group"));
  drawn.append(
    drawing("rect", { class: "back", width: head, height: cell }),
    drawing("rect", { x: inset, y: cell / 2 - 5, width: 10, height: 10, rx: 2, fill: `url(#${lookOf(groupKey(box)).pattern})` }),
    drawing("text", { x: left ? 20 : head - 20, y: cell / 2 + 4, "text-anchor": left ? "start" : "end", text: matrixName(box) }));
  const place = axis === "row" ? [index, -1] : [-1, index];
  const press = () => (box.workload ? pressWorkload(box.workload) : toggleGroup(box.key));
  const name = box.workload ? `${axis === "row" ? "Client" : "Server"} ${matrixName(box)}, ${boxTitle(box)}`
    : `${matrixName(box)}, ${groupNoun(box)}, ${box.open ? "open" : "closed"}`;
  return matrixItem({ id: axis + ":" + box.id, drawn, place, name, tip: boxTitle(box), press });
}

/** Keeps an item of the matrix: `{id, drawn, place: [row, column], name, tip, press}`. */
function matrixItem(made) {
  const { drawn, place, press } = made;
  drawn.addEventListener("click", press);
  drawn.addEventListener("pointerenter", () => crosshair(place));
  drawn.addEventListener("focus", () => crosshair(place));
  matrixShown.items.set(made.id, made);
  return pressable(drawn, made);
}

function squares({ bundles, groups }, rows, columns, { cell, width, height }) {
  const made = drawing("svg", { class: "squares", width: width + 1, height: height + 1, role: "application",
    "aria-label": `Matrix: ${rows.length} clients, ${columns.length} servers. Arrow keys go from call to call, Enter shows one.` });
  const cross = ["band-row", "band-column"].map((id) => drawing("rect", { id, class: "band", width: 0, height: 0 }));
  made.append(...cross, ...separators(rows, columns, cell, width, height));
  const [rowAt, columnAt] = [rows, columns].map((list) => new Map(list.map((box, index) => [box, index])));
  const most = Math.log10(Math.max(10, ...bundles.map(({ connections }) => connections)));
  const cells = bundles.map((bundle) => [rowAt.get(bundle.from), columnAt.get(bundle.to), bundle]);
  for (const group of groups.filter((one) => !one.open && one.inside.length)) {
    cells.push([rowAt.get(group), columnAt.get(group), insideBundle(group)]);
  }
  for (const [row, column, bundle] of cells.filter(([row, column]) => row !== undefined && column !== undefined).sort(byPlace)) {
    const drawn = drawing("g", { class: "square " + markClass(bundle.marks), transform: `translate(${column * cell} ${row * cell})` },
      drawing("rect", { class: "ink", x: 1.5, y: 1.5, width: cell - 2, height: cell - 2, rx: 2,
        "fill-opacity": (0.35 + 0.65 * Math.min(Math.log10(Math.max(bundle.connections, 1)) / most, 1)).toFixed(2) }));
    const sign = { ...SIGNS, mixed: "±" }[soleMark(bundle.marks)];
    if (sign) drawn.append(drawing("text", { x: cell / 2 + 0.5, y: cell / 2 + 4.5, "text-anchor": "middle", text: sign }));
    if (bundle.crosses) drawn.classList.add("crosses");
    if (bundle.tried) drawn.classList.add("tried");
    made.append(matrixItem({ id: bundle.id, drawn, place: [row, column],
      name: bundleTitle(bundle) + (sign ? ` ${sign}` : ""), press: () => select(choiceOf(bundle)) }));
  }
  return made;
}

const byPlace = ([row, column], [otherRow, otherColumn]) => row - otherRow || column - otherColumn;

/** The calls that a closed group has inside, on the diagonal. */
function insideBundle(group) {
  return { ...summed({ id: group.id + " > " + group.id, from: group, to: group, entries: group.inside }), crosses: false };
}

/** Lines where one group ends and the next begins. */
function separators(rows, columns, cell, width, height) {
  const borders = (list) => list.flatMap((box, index) => (index && groupKey(box) !== groupKey(list[index - 1]) ? [index * cell + 0.5] : []));
  const d = [
    ...borders(rows).map((y) => `M0 ${y}H${width}`), ...borders(columns).map((x) => `M${x} 0V${height}`),
    `M0.5 0.5H${width + 0.5}V${height + 0.5}H0.5Z`,
  ].join("");
  return [drawing("path", { class: "separators", d })];
}

function crosshair([row, column]) {
  const grid = byId("matrix").querySelector(".squares");
  if (!grid) return;
  const cell = Number(grid.getAttribute("height") - 1) / matrixShown.rows.length;
  const set = (id, values) => Object.entries(values).forEach(([name, value]) => byId(id).setAttribute(name, value));
  set("band-row", { x: 0, y: row * cell, width: row < 0 ? 0 : grid.getAttribute("width"), height: cell });
  set("band-column", { x: column * cell, y: 0, width: cell, height: column < 0 ? 0 : grid.getAttribute("height") });
  const lit = new Set([row >= 0 ? "row:" + matrixShown.rows[row].id : "", column >= 0 ? "column:" + matrixShown.columns[column].id : ""]);
  for (const drawn of byId("matrix").querySelectorAll(".heading")) drawn.classList.toggle("lit", lit.has(drawn.dataset.id));
}

/** To the nearest filled square or heading in a direction; to the same row or column first. */
function matrixKey(event) {
  const current = matrixShown?.items.get(document.activeElement?.dataset?.id ?? "");
  if (!current || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    current.press();
  } else if (event.key in DIRECTIONS) {
    event.preventDefault();
    const [dx, dy] = DIRECTIONS[event.key];
    const [row, column] = current.place;
    let best = null;
    let least = Infinity;
    for (const one of matrixShown.items.values()) {
      const [down, right] = [one.place[0] - row, one.place[1] - column];
      const along = right * dx + down * dy;
      const far = along + 1000 * Math.abs(right * dy + down * dx);
      if (along > 0 && far < least) [best, least] = [one, far];
    }
    if (best) focusSquare(best);
  }
}

function focusSquare(one) {
  for (const other of matrixShown.items.values()) other.drawn.setAttribute("tabindex", other === one ? "0" : "-1");
  one.drawn.focus();
  one.drawn.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function markMatrix() {
  if (!matrixShown) return;
  const { selected } = state;
  const chosen = selected?.bundle ?? matrixShown.picture.bundles
    .find((bundle) => bundle.entries.some(({ call }) => call.index === selected?.call))?.id;
  for (const one of matrixShown.items.values()) {
    const about = selected?.workload !== undefined && one.id.endsWith(":w:" + selected.workload);
    one.drawn.classList.toggle("selected", one.id === chosen || about);
  }
}
