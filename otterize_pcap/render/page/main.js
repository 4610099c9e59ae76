// Joins the parts: what is chosen, opened and asked for → what is drawn.
"use strict";

let presentPicture = null;
let drawnFor = "";

/** Shows the present state. */
function render({ typing = false } = {}) {
  keepingFocus(() => draw({ typing }));
}

/** The map is laid out anew only where its boxes changed. */
function draw({ typing }) {
  const picture = shown();
  picture.key = [state.by, state.q, state.focus, state.hops, state.dir, state.only, ...picture.groups.map((group) => group.key + (group.open ? "+" : "-"))].join("\n");
  presentPicture = picture;
  showToolbar(picture);
  const key = state.view + "\n" + picture.key + "\n" + insisted;
  if (state.view === "table") showTable(picture);
  else if (key === drawnFor) markChosen();
  else if (state.view === "map") showMap(picture, { typing });
  else showMatrix(picture);
  drawnFor = key;
  showPanel(picture);
}

function markChosen() {
  if (state.view === "map") markSelection();
  else if (state.view === "matrix") markMatrix();
  else markTable();
}

/** Chooses what the panel shows; the place in the view stays. */
function select(selected) {
  state = { ...state, selected };
  tellAddress(true);
  keepingFocus(() => showPanel(presentPicture));
  markChosen();
  if (selected) byId("panel-body").scrollTop = 0;
  announce(byId("panel-body").querySelector("h2")?.textContent ?? "");
}

/** A first press shows a workload's calls, a second one its neighbourhood. */
function pressWorkload(workload) {
  if (state.selected?.workload === workload.index && state.focus !== workload.label) go({ focus: workload.label });
  else select({ workload: workload.index });
}

function setOpen(list) {
  go(isPart() ? { near: list } : { open: list });
}

function toggleGroup(key) {
  const open = new Set(presentPicture.groups.filter((group) => group.open).map((group) => group.key));
  if (open.has(key)) open.delete(key);
  else open.add(key);
  announce((open.has(key) ? "Opened " : "Closed ") + titleOf(key));
  state = { ...state, selected: null };
  setOpen(open);
}

/** Escape goes one step back: out of the choice, the neighbourhood, the search. */
function escape() {
  if (byId("help").open) return;
  if (byId("origin").open) {
    byId("origin").open = false;
    byId("origin-line").focus();
    return;
  }
  if (document.activeElement === byId("search") && state.q) go({ q: "", selected: null });
  else if (state.selected) unselect();
  else if (state.focus) go({ focus: "" });
  else if (state.q) go({ q: "" });
  else if (state.only) go({ only: "" });
}

function follow() {
  const { open } = state;
  const view = stateOf(location.hash);
  state = { ...view, open: view.open ?? (isPart(view) ? open : null) };
  render();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") escape();
  else if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "")) {
    event.preventDefault();
    byId("search").focus();
  }
});
byId("svg").addEventListener("keydown", mapKey);
byId("matrix").addEventListener("keydown", matrixKey);
window.addEventListener("hashchange", follow);
window.addEventListener("popstate", follow);
new ResizeObserver(() => {
  if (state.view !== "map" || matchMedia("print").matches) return;
  if (mapShown && isTall() !== mapShown.tall) drawnFor = "";
  if (drawnFor === "" && presentPicture) render();
  else fitMap({ readable: true });
}).observe(byId("canvas"));
prepareLooks();
prepareToolbar();
preparePanning();
prepareForPaper();
showOrigins();
showLegend();
state = stateOf(location.hash);
render();
