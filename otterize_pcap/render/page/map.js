// The map: boxes and lines as SVG, from the places that the layout gives.
"use strict";

// More lines than this are no picture any more; they are drawn only where somebody insists.
const READABLE = 900;
const CORNER = 7;
const TYPING_PAUSE = 150;

let mapShown = null;
let mapRun = 0;
let insisted = "";

async function showMap(picture, { typing = false } = {}) {
  const run = (mapRun += 1);
  const tooMany = picture.bundles.length > READABLE && insisted !== hashOf(state);
  byId("too-many").hidden = !tooMany;
  byId("canvas").hidden = tooMany;
  if (picture.boxes.length === 0) {
    drawNothing();
    return;
  }
  if (tooMany) {
    tellTooMany(picture);
    return;
  }
  const area = byId("canvas");
  area.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => { byId("busy").hidden = false; }, 250);
  try {
    // While somebody types, the next letter would end this layout and its worker.
    if (typing) await new Promise((resume) => setTimeout(resume, TYPING_PAUSE));
    if (run !== mapRun) return;
    const places = await layOut(picture, { width: area.clientWidth, height: area.clientHeight });
    if (run !== mapRun) return;
    drawMap(picture, places);
  } catch (error) {
    if (run === mapRun && error.message !== "superseded") announce("The map could not be laid out: " + error.message);
  } finally {
    clearTimeout(slow);
    if (run === mapRun) {
      byId("busy").hidden = true;
      area.removeAttribute("aria-busy");
    }
  }
}

function tellTooMany({ bundles, boxes }) {
  byId("too-many").replaceChildren(
    element("p", { text: `${counted(bundles.length, "line")} between ${counted(boxes.length, "box")}: `
      + "a map of so many is hard to read, and laying it out takes a while." }),
    element("p", {}, button("Show the matrix", () => go({ view: "matrix" }), { class: "primary" }), " ",
      button("Close all", () => setOpen(new Set())), " ",
      button("Draw it anyway", () => { insisted = hashOf(state); render(); })),
  );
}

function drawNothing() {
  mapShown = null;
  byId("drawn").replaceChildren();
  byId("nothing").hidden = false;
}

function drawMap(picture, places) {
  byId("nothing").hidden = true;
  const had = document.activeElement?.closest?.("#drawn") ? document.activeElement.dataset.id : null;
  const parts = [];
  const items = [];
  const labels = [];
  for (const group of picture.groups.filter((one) => one.open)) {
    parts.push(frame(group, places.boxes.get(group.id)));
    labels.push(frameTitle(group, places, items));
  }
  picture.bundles.forEach((bundle, index) => {
    const route = places.routes[index];
    if (route.points.length < 2) return;
    parts.push(line(bundle, route, items));
    if (route.label?.width) labels.push(lineLabel(bundle, route.label));
  });
  const scale = groupScale(picture);
  for (const box of picture.boxes) {
    const place = places.boxes.get(box.id);
    parts.push(box.workload ? workloadBox(box, place, items) : groupBox(box, { ...place, scale }, items));
  }
  byId("drawn").replaceChildren(...parts, ...labels);
  const changed = mapShown?.key !== picture.key || mapShown.tall !== isTall();
  mapShown = { picture, places, tall: isTall(), items: new Map(items.map((item) => [item.id, item])), key: picture.key };
  byId("svg").setAttribute("aria-label", mapSummary(picture));
  if (changed) fitMap({ readable: true });
  keepFocus(had);
  markSelection();
  performance.mark("map drawn");
}

/** Whether the map's area is a phone's, held upright. */
function isTall() {
  const { clientWidth, clientHeight } = byId("canvas");
  return clientHeight > clientWidth * 1.1;
}

function mapSummary({ boxes, bundles, entries }) {
  return `Map of ${counted(entries.length, "call")}: ${counted(boxes.length, "box")}, ${counted(bundles.length, "line")}. `
    + "Arrow keys go from box to box, Page Down and Page Up through the calls of a box; "
    + "Enter opens a group, shows a workload or call, and a second time a workload's neighbourhood.";
}

/** Keeps an item of the map: `{id, drawn, place, kind, name, tip, press}`; gives what to insert. */
function item(made, items) {
  made.drawn.addEventListener("click", (event) => {
    if (!dragged()) made.press(event);
  });
  items.push(made);
  return pressable(made.drawn, made);
}

const groupNoun = (group) => (group.key === OUTSIDE || state.by === "none" ? "Group" : GROUPINGS[state.by].title.replace(/^./, (letter) => letter.toUpperCase()));

function groupBox(group, place, items) {
  const lines = groupLines(group);
  const [width, height] = [place.width / place.scale, place.height / place.scale];
  const middle = (height - 34 - 16 * lines.length) / 2;
  const drawn = drawing("g", { class: "box group", transform: `translate(${place.x} ${place.y})` },
    drawing("g", { transform: `scale(${place.scale})` },
      drawing("rect", { class: "face", width, height, rx: 8 }),
      drawing("path", { d: `M8 0H10V${height}H8A8 8 0 0 1 0 ${height - 8}V8A8 8 0 0 1 8 0Z`, fill: `url(#${lookOf(group.key).pattern})` }),
      drawing("text", { class: "group-name", x: 20, y: middle + 21, text: shortened(group.title, LONGEST_NAME) }),
      drawing("path", { class: "sign", d: `M${width - 20} ${middle + 17}h9m-4.5-4.5v9` }),
      ...lines.map((text, index) => drawing("text", { class: "small", x: 20, y: middle + 38 + 16 * index, text }))));
  drawn.style.setProperty("--hue", lookOf(group.key).hue);
  drawn.setAttribute("aria-expanded", "false");
  if (group.key === OUTSIDE) drawn.classList.add("outside");
  return item({ id: group.id, drawn, place, kind: "group",
    name: [groupNoun(group), shortened(group.title, LONGEST_NAME), ...lines].join(" "),
    tip: `${group.title}: click to open`, press: () => toggleGroup(group.key) }, items);
}

function workloadBox(box, place, items) {
  const { workload, group } = box;
  const kind = boxKind(box);
  const { width, height } = place;
  const top = (height - (kind ? 40 : 30)) / 2;
  const drawn = drawing("g", { class: "box workload", transform: `translate(${place.x} ${place.y})` },
    face(workload, width, height),
    workload.outside
      ? drawing("path", { class: "leaves", d: `M13 ${height / 2 + 5}l8-8m-6 0h6v6` })
      : drawing("rect", { x: 8, y: height / 2 - 7, width: 10, height: 14, rx: 2, fill: `url(#${lookOf(group.key).pattern})` }),
    drawing("text", { class: "name", x: 26, y: top + (kind ? 17 : 19.5), text: shortened(boxName(box), LONGEST_NAME) }),
    kind ? drawing("text", { class: "small", x: 26, y: top + 31, text: kind }) : null);
  drawn.style.setProperty("--hue", lookOf(group.key).hue);
  if (workload.outside) drawn.classList.add("outside");
  if (workload.label === state.focus) drawn.classList.add("focus");
  return item({ id: box.id, drawn, place, kind: "workload", name: workloadAbout(box),
    tip: workload.label + (kind ? " (" + kind + ")" : ""), press: () => pressWorkload(workload) }, items);
}

/** The outline of a box: round for what is outside, cut corners for a node, two lines for a Service. */
function face(workload, width, height) {
  if (workload.outside) return drawing("rect", { class: "face", width, height, rx: height / 2 });
  if (workload.kind === "Node") {
    return drawing("path", { class: "face", d: `M8 0H${width - 8}L${width} 8V${height - 8}L${width - 8} ${height}H8L0 ${height - 8}V8Z` });
  }
  const drawn = drawing("g", {}, drawing("rect", { class: "face", width, height, rx: 6 }));
  if (workload.kind === "Service") drawn.append(drawing("rect", { class: "inner", x: 3, y: 3, width: width - 6, height: height - 6, rx: 4 }));
  return drawn;
}

/** What a screen reader says begins with what is to be seen. */
function workloadAbout(box) {
  const { workload } = box;
  const place = workload.outside ? "outside the cluster" : workload.namespace && "in " + workload.namespace;
  const seen = [shortened(boxName(box), LONGEST_NAME), boxKind(box)].filter(Boolean).join(" ");
  return [seen, place, `calls ${mapCount(workload, "client")}`, `called by ${mapCount(workload, "server")}`].filter(Boolean).join(", ");
}

const callCounts = { client: new Map(), server: new Map() };
for (const call of calls) {
  for (const side of ["client", "server"]) callCounts[side].set(call[side], (callCounts[side].get(call[side]) ?? 0) + 1);
}
const mapCount = (workload, side) => callCounts[side].get(workload) ?? 0;

/** 1 connection is a thin line, a million a thick one. */
const lineWidth = (connections) => 1.2 + Math.min(Math.log10(Math.max(connections, 1)), 6) * 0.55;

function line(bundle, { points }, items) {
  const width = lineWidth(bundle.connections);
  const size = 7 + width;
  const tip = points.at(-1);
  const before = points.at(-2);
  const length = Math.hypot(tip.x - before.x, tip.y - before.y) || 1;
  const [dx, dy] = [(tip.x - before.x) / length, (tip.y - before.y) / length];
  const back = { x: tip.x - dx * Math.min(size - 1, length), y: tip.y - dy * Math.min(size - 1, length) };
  const base = { x: tip.x - dx * size, y: tip.y - dy * size };
  const half = size / 2;
  const path = rounded([...points.slice(0, -1), back]);
  const drawn = drawing("g", { class: "line " + markClass(bundle.marks) },
    drawing("path", { class: "reach", d: path }),
    drawing("path", { class: "stroke", d: path, "stroke-width": width }),
    drawing("path", { class: "head", d: `M${tip.x} ${tip.y}L${base.x - dy * half} ${base.y + dx * half}L${base.x + dy * half} ${base.y - dx * half}Z` }));
  if (bundle.crosses) drawn.classList.add("crosses");
  if (bundle.tried) drawn.classList.add("tried");
  const middle = points[Math.floor((points.length - 1) / 2)];
  return item({ id: bundle.id, drawn, place: { x: middle.x, y: middle.y, width: 0, height: 0 }, kind: "line", name: bundleTitle(bundle),
    press: () => select(choiceOf(bundle)) }, items);
}

function lineLabel(bundle, { text, x, y, width, height }) {
  const drawn = drawing("g", { class: "line-label " + markClass(bundle.marks), "aria-hidden": "true" },
    drawing("rect", { x, y, width, height, rx: 3 }),
    drawing("text", { class: "small", x: x + width / 2, y: y + 11, "text-anchor": "middle", text }));
  drawn.addEventListener("click", () => { if (!dragged()) select(choiceOf(bundle)); });
  return drawn;
}

const boxTitle = (box) => (box.workload ? box.workload.label : box.title);

function bundleTitle(bundle) {
  const parts = [counted(bundle.entries.length, "call")];
  if (bundle.connections) parts.push(counted(bundle.connections, "connection"));
  if (bundle.ports.length) parts.push(bundle.ports.slice(0, 6).map(fullPort).join(", ") + (bundle.ports.length > 6 ? ", …" : ""));
  const marks = markText(bundle.marks);
  if (marks) parts.push(marks);
  return `${boxTitle(bundle.from)} calls ${boxTitle(bundle.to)}: ${parts.join("; ")}`;
}

/** A path through points, its corners rounded. */
function rounded(points) {
  const parts = [`M${points[0].x} ${points[0].y}`];
  for (let index = 1; index < points.length - 1; index += 1) {
    const [from, at, to] = points.slice(index - 1, index + 2);
    const towards = (end) => {
      const length = Math.hypot(end.x - at.x, end.y - at.y) || 1;
      const reach = Math.min(CORNER, length / 2);
      return `${at.x + ((end.x - at.x) / length) * reach} ${at.y + ((end.y - at.y) / length) * reach}`;
    };
    parts.push(`L${towards(from)}Q${at.x} ${at.y} ${towards(to)}`);
  }
  const last = points.at(-1);
  return parts.join("") + `L${last.x} ${last.y}`;
}

/** Shows which item the panel speaks of, and what touches it. */
function markSelection() {
  if (!mapShown) return;
  const chosen = selectedBoxId();
  byId("drawn").classList.toggle("choosing", chosen !== null);
  const near = new Set(chosen === null ? [] : [chosen]);
  for (const bundle of mapShown.picture.bundles) {
    if (bundle.id === chosen) near.add(bundle.from.id).add(bundle.to.id);
    if (bundle.from.id === chosen || bundle.to.id === chosen) near.add(bundle.id).add(bundle.from.id).add(bundle.to.id);
  }
  for (const one of mapShown.items.values()) {
    one.drawn.classList.toggle("selected", one.id === chosen);
    one.drawn.classList.toggle("near", near.has(one.id));
    one.drawn.setAttribute("aria-pressed", String(one.id === chosen));
  }
}

/** The box or line of the map that the panel speaks of. */
function selectedBoxId() {
  const { selected } = state;
  if (!selected || !mapShown) return null;
  if (selected.bundle !== undefined) return selected.bundle;
  if (selected.workload !== undefined) return boxIdOf(workloads[selected.workload]);
  if (selected.group !== undefined) return "g:" + selected.group;
  const call = calls[selected.call];
  return mapShown.picture.bundles.find((bundle) => bundle.entries.some((entry) => entry.call === call))?.id ?? null;
}

function boxIdOf(workload) {
  const id = "w:" + workload.index;
  return mapShown.items.has(id) ? id : "g:" + groupOf(workload);
}
