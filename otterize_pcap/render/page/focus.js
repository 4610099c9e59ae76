// The focus is never lost: where it goes when what had it is drawn anew or goes out of sight.
"use strict";

const inSight = (one) => one.isConnected && !one.disabled && one.getClientRects().length > 0;

/** Draws; a control that had the focus and is gone gives it to the same one drawn anew, or near. */
function keepingFocus(draw) {
  const had = document.activeElement;
  const inPanel = byId("panel").contains(had);
  draw();
  if (had === document.body || inSight(had)) return;
  if (inPanel) (sameInPanel(had.dataset) ?? byId("panel-body")).focus({ preventScroll: true });
  else focusView();
}

function sameInPanel(wanted) {
  const names = Object.keys(wanted);
  return names.length === 0 ? null : [...byId("panel-body").querySelectorAll("button")]
    .find(({ dataset }) => names.every((name) => dataset[name] === wanted[name]));
}

/** To the view's present item; where it has none, to the panel. */
function focusView() {
  const stops = [...byId(state.view).querySelectorAll('[tabindex="0"], button')];
  (stops.find(inSight) ?? byId("panel-body")).focus({ preventScroll: true });
}

/** What the view shows of the choice. */
function chosenInView() {
  const drawn = byId(state.view).querySelector(".selected");
  return drawn?.matches("tr") ? drawn.querySelector("button") : drawn;
}

/** Ends the choice; a focus in the panel goes back to what was chosen. */
function unselect() {
  const lost = document.activeElement === document.body || byId("panel").contains(document.activeElement);
  const chosen = chosenInView();
  select(null);
  if (!lost) return;
  if (!chosen || !inSight(chosen)) focusView();
  else if (state.view === "map") focusItem(mapShown.items.get(chosen.dataset.id));
  else if (state.view === "matrix") focusSquare(matrixShown.items.get(chosen.dataset.id));
  else chosen.focus();
}
