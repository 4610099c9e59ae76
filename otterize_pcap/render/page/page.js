// Draws the calls that #data holds. Every name is foreign text: it only ever becomes the text of a
// DOM node or of the canvas, never markup.
"use strict";

const picture = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const FILLS = ["#ddf4ff", "#dafbe1", "#fff8c5", "#ffeff7", "#fbefff", "#ffebe9", "#eaeef2", "#fff1e5"];
const COLORS = { "": "#57606a", added: "#1a7f37", removed: "#cf222e", changed: "#9a6700", "not seen": "#8c959f" };
const SIGNS = { "": "", added: "+ ", removed: "- ", changed: "~ ", "not seen": "? " };
const namespaces = [...new Set(picture.nodes.map((node) => node.namespace))].sort();
const fillOf = (namespace) => (namespace === "" ? "#ffffff" : FILLS[namespaces.filter((n) => n !== "").indexOf(namespace) % FILLS.length]);
const hidden = new Set();
const marks = new Set(picture.edges.map((edge) => edge.mark));
const isDiff = [...marks].some((mark) => mark !== "");

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px Helvetica Neue, Helvetica, sans-serif";
const widthOf = (label) => Math.ceil(pen.measureText(label).width) + 8;

const cy = cytoscape({
  container: byId("graph"),
  elements: {
    nodes: picture.nodes.map((node, index) => ({
      data: { id: "n" + index, index, label: node.label, fill: fillOf(node.namespace), shape: node.external ? "ellipse" : "round-rectangle", width: widthOf(node.label) },
      position: { x: node.x, y: node.y },
    })),
    edges: picture.edges.map((edge, index) => ({
      data: { id: "e" + index, index, source: "n" + edge.client, target: "n" + edge.server, color: COLORS[edge.mark],
        aside: edge.client !== edge.server && picture.nodes[edge.client].x === picture.nodes[edge.server].x,
        width: edge.mark === "" ? 1.2 : 2.6, line: edge.mark === "removed" || edge.mark === "not seen" || edge.status !== "established" ? "dashed" : "solid", opacity: edge.mark === "" && picture.edges.length > 500 ? 0.35 : 1 },
    })),
  },
  layout: { name: "preset", fit: true, padding: 30 },
  minZoom: 0.03,
  maxZoom: 4,
  // Moving thousands of edges stays smooth when they are left out while moving.
  hideEdgesOnViewport: picture.edges.length > 1000,
  style: [
    { selector: "node", style: { label: "data(label)", shape: "data(shape)", "background-color": "data(fill)", "border-width": 1, "border-color": "#57606a",
      "text-valign": "center", "text-halign": "center", "font-size": 12, width: "data(width)", height: 24, padding: "7px", "min-zoomed-font-size": 4 } },
    { selector: "edge", style: { "curve-style": "bezier", width: "data(width)", opacity: "data(opacity)", "line-color": "data(color)", "line-style": "data(line)",
      "target-arrow-color": "data(color)", "target-arrow-shape": "triangle", "arrow-scale": 0.9 } },
    // Within a column a straight edge would run through the nodes between.
    { selector: "edge[?aside]", style: { "curve-style": "unbundled-bezier", "control-point-distances": 90, "control-point-weights": 0.5 } },
    { selector: ".faded", style: { opacity: 0.12 } },
    // Thousands of faint edges would still cover the few that were searched for.
    { selector: "edge.faded", style: { opacity: 0.02 } },
    { selector: ":selected", style: { "overlay-color": "#0969da", "overlay-opacity": 0.25, "overlay-padding": 4 } },
    { selector: ".dim", style: { opacity: 0.06 } },
    { selector: "edge.near", style: { opacity: 1 } },
    { selector: ".gone", style: { display: "none" } },
  ],
});

function named(edge) {
  return picture.nodes[edge.client].label + " → " + picture.nodes[edge.server].label;
}

function portsOf(edge) {
  return edge.uses.map((use) => (use.protocol + " " + use.port).trim()).join(", ");
}

function entry(index, text) {
  const edge = picture.edges[index];
  const item = element("li");
  const button = element("button", SIGNS[edge.mark] + text, edge.mark.replace(" ", "-"));
  button.type = "button";
  button.addEventListener("click", () => select("e" + index));
  item.append(button);
  return item;
}

function listed(title, indexes, text) {
  const parts = [element("h3", title + " (" + indexes.length + ")")];
  const list = element("ul");
  list.append(...indexes.slice(0, 500).map((index) => entry(index, text(picture.edges[index]))));
  parts.push(list);
  if (indexes.length > 500) parts.push(element("p", indexes.length - 500 + " more; search or filter to see them"));
  return parts;
}

function fields(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) {
    if (value !== null && value !== undefined && value !== "") list.append(element("dt", name), element("dd", String(value)));
  }
  return list;
}

function counts(object) {
  return Object.keys(object).map((key) => object[key] + " " + key).join(", ");
}

function showEdge(index) {
  const edge = picture.edges[index];
  const parts = [element("h2", named(edge))];
  if (edge.mark) parts.push(element("p", edge.mark, edge.mark.replace(" ", "-")));
  parts.push(fields([["status", edge.status], ["remark", edge.remark]]));
  for (const use of edge.uses) {
    parts.push(element("h3", (use.protocol + " " + use.port).trim()));
    const evidence = use.evidence;
    parts.push(fields([
      ["connections", use.connections || null],
      ["outcomes", counts(use.outcomes || {})],
      ["first seen", use.firstSeen],
      ["last seen", use.lastSeen],
      ["through", (use.services || []).join(", ")],
      ["packets", use.connections ? use.packets.toServer + " to the server, " + use.packets.toClient + " back" : null],
      ["bytes", use.connections ? use.bytes.toServer + " to the server, " + use.bytes.toClient + " back" : null],
      ["direction by", counts(use.rules || {})],
      ["evidence", evidence ? evidence.file + ", packet " + evidence.packet + ", " + evidence.time : null],
    ]));
  }
  for (const detail of edge.details) parts.push(element("p", detail));
  byId("panel").replaceChildren(...parts);
}

function showNode(index) {
  const node = picture.nodes[index];
  const out = [];
  const into = [];
  picture.edges.forEach((edge, position) => {
    if (cy.getElementById("e" + position).hasClass("gone")) return;
    if (edge.client === index) out.push(position);
    if (edge.server === index) into.push(position);
  });
  byId("panel").replaceChildren(
    element("h2", node.label),
    fields([["namespace", node.namespace], ["kind", node.external ? "outside the cluster" : node.kind]]),
    ...listed("calls", out, (edge) => picture.nodes[edge.server].label),
    ...listed("called by", into, (edge) => picture.nodes[edge.client].label),
  );
}

function showAll() {
  const shown = [];
  picture.edges.forEach((edge, index) => {
    const drawn = cy.getElementById("e" + index);
    if (!drawn.hasClass("gone") && !drawn.hasClass("faded")) shown.push(index);
  });
  byId("panel").replaceChildren(
    element("h2", "Calls"),
    element("p", "Click an edge for its evidence, a workload for its calls."),
    ...listed("shown", shown, named),
  );
}

function select(id) {
  const chosen = cy.getElementById(id);
  const near = chosen.isEdge() ? chosen.union(chosen.connectedNodes()) : chosen.closedNeighborhood();
  cy.batch(() => {
    cy.elements().unselect().removeClass("near").addClass("dim");
    near.removeClass("dim").addClass("near");
    chosen.select();
  });
  const index = chosen.data("index");
  if (chosen.isEdge()) showEdge(index);
  else showNode(index);
}

function matches(node, words) {
  const text = (node.label + " " + node.kind).toLowerCase();
  return words.every((word) => text.includes(word));
}

function apply() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const changesOnly = byId("changes-only").checked;
  const visible = picture.nodes.map((node) => !hidden.has(node.namespace));
  const found = picture.nodes.map((node) => words.length === 0 || matches(node, words));
  const kept = new Set();
  const bright = new Set();
  let calls = 0;
  cy.elements().removeClass("dim near");
  cy.batch(() => {
    picture.edges.forEach((edge, index) => {
      const shown = visible[edge.client] && visible[edge.server] && !(changesOnly && edge.mark === "");
      const hit = found[edge.client] || found[edge.server] || words.every((word) => portsOf(edge).toLowerCase().includes(word));
      if (shown) kept.add(edge.client).add(edge.server);
      if (shown && hit) bright.add(edge.client).add(edge.server);
      if (shown && hit) calls += 1;
      const drawn = cy.getElementById("e" + index);
      drawn.toggleClass("gone", !shown);
      drawn.toggleClass("faded", !hit);
      drawn.toggleClass("near", words.length > 0 && hit);
    });
    picture.nodes.forEach((node, index) => {
      const drawn = cy.getElementById("n" + index);
      drawn.toggleClass("gone", !visible[index] || (changesOnly && !kept.has(index)));
      drawn.toggleClass("faded", words.length > 0 && !bright.has(index));
    });
  });
  byId("count").textContent = calls + " of " + picture.edges.length + " calls";
  showAll();
}

function namespaceFilter() {
  const list = byId("namespace-list");
  const boxes = [];
  for (const [title, checked] of [["all", true], ["none", false]]) {
    const button = element("button", title);
    button.type = "button";
    button.addEventListener("click", () => {
      for (const box of boxes) box.checked = checked;
      hidden.clear();
      if (!checked) for (const namespace of namespaces) hidden.add(namespace);
      apply();
    });
    list.append(button);
  }
  for (const namespace of namespaces) {
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(namespace);
      else hidden.add(namespace);
      apply();
    });
    boxes.push(box);
    const swatch = element("span", undefined, "swatch");
    swatch.style.backgroundColor = fillOf(namespace);
    label.append(box, swatch, namespace === "" ? "outside the cluster" : namespace);
    list.append(label);
  }
}

function legend() {
  for (const mark of ["added", "removed", "changed", "not seen"]) {
    if (marks.has(mark)) byId("legend").append(element("span", SIGNS[mark] + mark, mark.replace(" ", "-")));
  }
  byId("legend").append(element("span", "client → server; dashed without a mark: attempted or looked up only"));
}

namespaceFilter();
legend();
byId("changes-only-label").hidden = !isDiff;
byId("search").addEventListener("input", apply);
byId("changes-only").addEventListener("change", apply);
byId("fit").addEventListener("click", () => cy.fit(cy.elements(":visible"), 30));
cy.on("tap", "node, edge", (event) => select(event.target.id()));
cy.on("tap", (event) => {
  if (event.target !== cy) return;
  cy.elements().removeClass("dim near");
  showAll();
});
window.addEventListener("resize", () => cy.resize());
apply();
