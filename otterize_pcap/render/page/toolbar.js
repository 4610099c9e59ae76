// Search, views, grouping, the path of where one is, the legend.
"use strict";

function prepareToolbar() {
  byId("search").addEventListener("input", () => go({ q: byId("search").value, selected: null }, { typing: true }));
  for (const view of CHOICES.view) byId("view-" + view).addEventListener("click", () => go({ view }));
  const useful = usefulGroupings();
  byId("by").replaceChildren(...useful.map((by) => element("option", { value: by, text: GROUPINGS[by].title })));
  byId("by").addEventListener("change", () => go({ by: byId("by").value, selected: null }));
  byId("only-label").hidden = !isDiff;
  byId("only").addEventListener("change", () => go({ only: byId("only").checked ? "changes" : "" }));
  byId("open-all").addEventListener("click", () => setOpen("all"));
  byId("close-all").addEventListener("click", () => setOpen(new Set()));
  byId("fit").addEventListener("click", () => fitMap());
  byId("zoom-in").addEventListener("click", () => zoomBy(1.25));
  byId("zoom-out").addEventListener("click", () => zoomBy(0.8));
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  byId("close-panel").addEventListener("click", unselect);
}

function showToolbar({ entries, groups }) {
  if (byId("search").value !== state.q) byId("search").value = state.q;
  for (const view of CHOICES.view) {
    byId("view-" + view).setAttribute("aria-pressed", String(state.view === view));
    byId(view).hidden = state.view !== view;
  }
  byId("by").value = state.by;
  byId("only").checked = state.only === "changes";
  byId("count").textContent = entries.length === calls.length ? counted(calls.length, "call")
    : `${grouped(entries.length)} of ${counted(calls.length, "call")}`;
  byId("map-tools").hidden = state.view === "table";
  byId("zoom-tools").hidden = state.view !== "map";
  byId("open-all").disabled = groups.every((group) => group.open);
  byId("close-all").disabled = groups.every((group) => !group.open);
  showPath();
}

/** Where one is: everything › a search › a workload's neighbourhood. */
function showPath() {
  const parts = [button("Everything", () => go({ q: "", focus: "", only: "", selected: null }), { class: "link", disabled: !isPart() })];
  if (state.only) parts.push(element("span", { text: "only differences" }));
  if (state.q.trim()) parts.push(state.focus ? button("“" + shortened(state.q.trim(), 30) + "”", () => go({ focus: "" }), { class: "link" }) : element("span", { text: "“" + shortened(state.q.trim(), 30) + "”" }));
  if (state.focus) parts.push(element("span", { text: `${state.focus}, ${counted(state.hops, "hop")}${state.dir === "both" ? "" : ", " + state.dir}` }));
  byId("path").replaceChildren(...parts.map((part) => element("li", {}, part)));
}

function showLegend() {
  const sample = (name, className) => element("span", {}, drawing("svg", { width: 30, height: 10, "aria-hidden": "true" },
    drawing("g", { class: "line " + className }, drawing("path", { class: "stroke", d: "M0 5H21", "stroke-width": 2 }), drawing("path", { class: "head", d: "M30 5L20 1V9Z" }))), " " + name);
  const parts = [sample("crosses a boundary", "crosses"), sample("inside", ""), sample("attempted or looked up only", "tried")];
  for (const mark of MARKS) {
    if (calls.some((call) => call.mark === mark)) parts.push(sample(SIGNS[mark] + " " + mark, mark.replace(" ", "-") + " whole"));
  }
  if (new Set(calls.map((call) => call.mark).filter(Boolean)).size > 1) parts.push(sample("several of these", "mixed"));
  parts.push(element("span", { text: "thicker: more connections" }));
  byId("legend").replaceChildren(...parts);
}
