// By what workloads stand together, and how a group looks: colour and pattern, never colour alone.
"use strict";

const OUTSIDE = "\u2197outside";
const NOWHERE = "\u2205none";
const TITLES = new Map([[OUTSIDE, "outside the cluster"], [NOWHERE, "none named"]]);

const GROUPINGS = {
  namespace: { title: "namespace", of: (one) => one.namespace || NOWHERE },
  prefix: { title: "first word of the namespace", of: (one) => one.namespace.split("-")[0] || NOWHERE },
  kind: { title: "kind", of: (one) => one.kind || NOWHERE },
  label: { title: "label of clients", of: (one) => one.podLabel || NOWHERE },
  ...Object.fromEntries(groupLabels.map(({ key, of }) => ["label:" + key, { title: key, of: (one) => of(one) || NOWHERE }])),
  none: { title: "nothing", of: () => "all workloads" },
};

const groupOf = (one, by = state.by) => (one.outside ? OUTSIDE : GROUPINGS[by].of(one));
const titleOf = (key) => TITLES.get(key) ?? key;

/** The groupings that tell these workloads apart. */
function usefulGroupings() {
  const inside = workloads.filter((one) => !one.outside);
  const parts = (by) => new Set(inside.map(GROUPINGS[by].of)).size;
  return Object.keys(GROUPINGS).filter((by) =>
    by === "namespace" || by === "none" || by === data.by
    || (by === "prefix" ? parts(by) > 1 && parts(by) < parts("namespace") : parts(by) > 1));
}

const looks = new Map();
const HUES = [212, 28, 140, 330, 50, 265, 178, 0, 100, 300];
const PATTERNS = [
  [], ["M0 6 6 0"], ["M0 3H6"], ["M0 0 6 6"], ["M3 0V6"], ["M0 6 6 0", "M0 0 6 6"], ["M2 3H4"], ["M0 3H6", "M3 0V6"],
];

/** The hue of a group and the id of its pattern; `#looks` gets the pattern at first use. */
function lookOf(key) {
  if (looks.has(key)) return looks.get(key);
  const index = looks.size;
  const look = { hue: HUES[index % HUES.length], pattern: "look" + index };
  looks.set(key, look);
  const made = drawing("pattern", { id: look.pattern, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
    drawing("rect", { width: 6, height: 6, class: "hued" }),
    ...PATTERNS[(index + Math.floor(index / HUES.length)) % PATTERNS.length].map((d) => drawing("path", { d, class: "scratch" })));
  made.style.setProperty("--hue", look.hue);
  byId("looks").append(made);
  return look;
}

/** A small square that looks like the group. */
function swatch(key) {
  return drawing("svg", { class: "swatch", width: 12, height: 12, "aria-hidden": "true" },
    drawing("rect", { width: 12, height: 12, rx: 3, fill: `url(#${lookOf(key).pattern})` }));
}

function prepareLooks() {
  for (const key of [...new Set(workloads.map((one) => groupOf(one)))].sort()) lookOf(key);
}
