// Moving and scaling the map: wheel, drag, two fingers, keys and buttons.
"use strict";

const SCALES = [0.05, 4];
const MARGIN = 20;
// A fitted map is not blown up further than this.
const LARGEST_FIT = 1.3;
// Titles of frames are never drawn smaller than this share of their size, as far as there is room.
const LEAST_TITLE = 0.8;
const MOST_GROWN = 4;
const NARROW = 600;
const READABLE_SCALE = 0.5;
const place = { x: 0, y: 0, scale: 1 };
const fingers = new Map();
let moved = 0;

const dragged = () => moved > 4;

/** By how much titles of frames are enlarged where the map is shown at a scale. */
const titleGrowth = (scale) => Math.min(Math.max(LEAST_TITLE / scale, 1), MOST_GROWN);

function applyPlace() {
  byId("drawn").setAttribute("transform", `translate(${place.x} ${place.y}) scale(${place.scale})`);
  byId("drawn").style.setProperty("--grow", titleGrowth(place.scale));
}

/** On paper the whole map, whatever part is in sight. */
function prepareForPaper() {
  window.addEventListener("beforeprint", () => {
    if (state.view === "matrix" && matrixShown?.items.size) putMatrixOnPaper();
    if (state.view === "table") showTable(presentPicture, { all: true });
    if (!mapShown) return;
    byId("svg").setAttribute("viewBox", `0 0 ${mapShown.places.width} ${mapShown.places.height}`);
    byId("drawn").removeAttribute("transform");
    byId("drawn").style.setProperty("--grow", 1);
  });
  window.addEventListener("afterprint", () => {
    if (state.view === "matrix") showMatrix(presentPicture);
    if (state.view === "table") showTable(presentPicture);
    byId("svg").removeAttribute("viewBox");
    applyPlace();
  });
}

/**
 * The whole map in sight; at first, on a screen too small for that, its beginning, to be read, or
 * the workload whose neighbourhood it is.
 */
function fitMap({ readable = false } = {}) {
  if (!mapShown) return;
  const { width, height } = byId("canvas").getBoundingClientRect();
  const { places } = mapShown;
  const scale = Math.min((width - 2 * MARGIN) / places.width, (height - 2 * MARGIN) / places.height, LARGEST_FIT);
  place.scale = Math.max(scale, readable && width < NARROW ? READABLE_SCALE : SCALES[0]);
  place.x = Math.max((width - places.width * place.scale) / 2, readable ? MARGIN : -Infinity);
  place.y = Math.max((height - places.height * place.scale) / 2, readable ? MARGIN : -Infinity);
  const focus = mapShown.picture.boxes.find(({ workload }) => workload && workload.label === state.focus);
  if (readable && focus) reveal(places.boxes.get(focus.id));
  else applyPlace();
}

function zoomAt(factor, x, y) {
  const scale = Math.min(Math.max(place.scale * factor, SCALES[0]), SCALES[1]);
  place.x = x - ((x - place.x) * scale) / place.scale;
  place.y = y - ((y - place.y) * scale) / place.scale;
  place.scale = scale;
  applyPlace();
}

function zoomBy(factor) {
  const { width, height } = byId("canvas").getBoundingClientRect();
  zoomAt(factor, width / 2, height / 2);
}

/** Moves the map so that a rectangle of it is in sight. */
function reveal(target) {
  const { width, height } = byId("canvas").getBoundingClientRect();
  const left = target.x * place.scale + place.x;
  const top = target.y * place.scale + place.y;
  const right = left + target.width * place.scale;
  const bottom = top + target.height * place.scale;
  if (right > width - MARGIN) place.x -= right - width + MARGIN;
  if (left < MARGIN) place.x += MARGIN - left;
  if (bottom > height - MARGIN) place.y -= bottom - height + MARGIN;
  if (top < MARGIN) place.y += MARGIN - top;
  applyPlace();
}

function preparePanning() {
  const area = byId("canvas");
  area.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top } = area.getBoundingClientRect();
    zoomAt(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), event.clientX - left, event.clientY - top);
  }, { passive: false });
  area.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 1) moved = 0;
  });
  area.addEventListener("pointermove", (event) => moveFinger(area, event));
  for (const name of ["pointerup", "pointercancel"]) {
    window.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
}

function moveFinger(area, event) {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = { x: event.clientX, y: event.clientY };
  const [dx, dy] = [now.x - before.x, now.y - before.y];
  moved += Math.abs(dx) + Math.abs(dy);
  if (dragged() && !area.hasPointerCapture(event.pointerId)) area.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, now);
  if (fingers.size === 1 && dragged()) {
    place.x += dx;
    place.y += dy;
    applyPlace();
  } else if (fingers.size === 2) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const { left, top } = area.getBoundingClientRect();
    const spread = (at) => Math.hypot(at.x - other.x, at.y - other.y) || 1;
    zoomAt(spread(now) / spread(before), (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top);
  }
}
