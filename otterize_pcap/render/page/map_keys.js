// The map by keyboard: one item has the focus; arrows go to the nearest box that way.
"use strict";

const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
let lastBox = null;

/** After drawing anew: the focus stays on the item, or on the box that now holds it. */
function keepFocus(had) {
  const items = [...mapShown.items.values()];
  const boxes = items.filter((one) => one.kind !== "line");
  const start = mapShown.items.get(had ?? "") ?? substitute(had) ?? mapShown.items.get(lastBox ?? "") ?? boxes[0] ?? items[0];
  if (!start) return;
  makeCurrent(start);
  if (had !== null) start.drawn.focus({ preventScroll: true });
}

/** For a workload whose group was closed, the group; for a group that was opened, its title. */
function substitute(id) {
  if (!id?.startsWith("w:")) return null;
  return mapShown.items.get("g:" + groupOf(workloads[Number(id.slice(2))])) ?? null;
}

/** The item that Tab leads to. */
function makeCurrent(chosen) {
  for (const one of mapShown.items.values()) one.drawn.setAttribute("tabindex", one === chosen ? "0" : "-1");
  if (chosen.kind !== "line") lastBox = chosen.id;
}

function focusItem(chosen) {
  if (!chosen) return;
  makeCurrent(chosen);
  chosen.drawn.focus({ preventScroll: true });
  reveal(chosen.place);
}

function nearest(from, [dx, dy]) {
  const middle = ({ place }) => [place.x + place.width / 2, place.y + place.height / 2];
  const [x, y] = middle(from);
  let best = null;
  let least = Infinity;
  for (const one of mapShown.items.values()) {
    if (one === from || one.kind === "line") continue;
    const [ox, oy] = middle(one);
    const along = (ox - x) * dx + (oy - y) * dy;
    const aside = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
    if (along > 1 && along + 2.5 * aside < least) [best, least] = [one, along + 2.5 * aside];
  }
  return best;
}

/** Lines at a box: those it sends first, then those it gets. */
function linesAt(id) {
  const { bundles } = mapShown.picture;
  return [...bundles.filter(({ from }) => from.id === id), ...bundles.filter(({ from, to }) => to.id === id && from.id !== id)]
    .map((bundle) => mapShown.items.get(bundle.id)).filter(Boolean);
}

function mapKey(event) {
  if (!mapShown || event.ctrlKey || event.metaKey || event.altKey) return;
  const current = mapShown.items.get(document.activeElement?.dataset?.id ?? "");
  if (!current) return;
  if (current.kind !== "line") lastBox = current.id;
  const handled = () => event.preventDefault();
  if (event.key in DIRECTIONS) {
    handled();
    const bundle = mapShown.picture.bundles.find(({ id }) => id === current.id);
    const end = bundle && { ArrowRight: bundle.to.id, ArrowLeft: bundle.from.id }[event.key];
    focusItem(end ? mapShown.items.get(end) : nearest(current, DIRECTIONS[event.key]));
  } else if (event.key === "PageDown" || event.key === "PageUp") {
    handled();
    const lines = linesAt(current.kind === "line" ? lastBox : current.id);
    const step = event.key === "PageDown" ? 1 : -1;
    const at = lines.indexOf(current);
    focusItem(lines[at === -1 ? (step === 1 ? 0 : lines.length - 1) : (at + step + lines.length) % lines.length]);
  } else if (event.key === "Enter" || event.key === " ") {
    handled();
    current.press(event);
  } else if (event.key === "Home" || event.key === "End") {
    handled();
    const boxes = [...mapShown.items.values()].filter((one) => one.kind !== "line");
    focusItem(event.key === "Home" ? boxes[0] : boxes.at(-1));
  } else if (event.key === "+" || event.key === "-" || event.key === "0") {
    handled();
    if (event.key === "0") fitMap();
    else zoomBy(event.key === "+" ? 1.25 : 0.8);
  }
}
