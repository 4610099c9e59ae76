// The panel: evidence of a call, the calls of a workload, or what is shown at all.
"use strict";

const LISTED = 200;

function showPanel(picture) {
  // A neighbourhood is its workload's, with the buttons that widen it.
  const selected = state.selected ?? (state.focus ? { workload: workloadNamed(state.focus).index } : null);
  const panel = byId("panel-body");
  byId("panel").classList.toggle("idle", !selected);
  if (selected?.call !== undefined) panel.replaceChildren(...callParts(calls[selected.call]));
  else if (selected?.bundle !== undefined) panel.replaceChildren(...bundleParts(picture, selected.bundle));
  else if (selected?.workload !== undefined) panel.replaceChildren(...workloadParts(workloads[selected.workload]));
  else panel.replaceChildren(...overviewParts(picture));
  byId("close-panel").hidden = !state.selected;
}

function fields(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", {}, ...given.flatMap(([name, value]) => [element("dt", { text: name }),
    value instanceof Node ? element("dd", {}, value) : element("dd", { text: String(value) })]));
}

const counts = (object) => Object.keys(object).map((key) => grouped(object[key]) + " " + key).join(", ");

function markParagraph({ mark, remark }) {
  if (!mark) return [];
  return [element("p", { class: "mark " + mark.replace(" ", "-"), text: SIGNS[mark] + " " + mark + (remark ? ": " + remark : "") })];
}

function callParts(call) {
  const doubts = doubtsOfCall(call);
  return [
    element("h2", {}, workloadLink(call.client), " → ", workloadLink(call.server)),
    ...markParagraph(call),
    fields([["status", call.status]]),
    ...call.uses.flatMap(useParts),
    ...call.details.map((detail) => element("p", { text: detail })),
    ...(doubts.length ? [element("h3", { text: "Uncertain" }), element("ul", { class: "doubts" }, ...doubts.map((text) => element("li", { text })))] : []),
  ];
}

function workloadLink(one) {
  return button(one.label, () => select({ workload: one.index }), { class: "link" });
}

function useParts(use) {
  const title = element("h3", { text: fullPort(use) });
  if (!use.connections) return [title, fields([["", "declared, not counted"]])];
  const ways = ([to, back]) => `${grouped(to)} to the server, ${grouped(back)} back`;
  return [
    title,
    fields([
      ["connections", grouped(use.connections)],
      ["outcomes", counts(use.outcomes)],
      ["first seen", timeNode(use.first)],
      ["last seen", timeNode(use.last)],
      ["through", use.services.join(", ")],
      ["packets", ways(use.packets)],
      ["bytes", ways(use.bytes)],
      ["client pods", podNames(use.pods[0])],
      ["server pods", podNames(use.pods[1])],
      ["direction by", Object.keys(use.rules).map((rule) => `${rule} (${grouped(use.rules[rule])}): ${rules.get(rule)?.text ?? ""}`).join("; ")],
      ["evidence", use.evidence ? evidenceNode(use.evidence) : null],
    ]),
    ...(use.evidence ? [packetDetails(use)] : []),
  ];
}

/** A time that is broken before its hour, if anywhere. */
function timeNode(sinceStart) {
  const [day, hour] = timeText(sinceStart).split("T");
  return element("span", {}, element("span", { class: "unbroken", text: day }), element("wbr"), element("span", { class: "unbroken", text: "T" + hour }));
}

function evidenceNode({ file, packet, time, rule }) {
  return element("span", {}, `${file}, packet ${packet}, `, timeNode(time), `, rule ${rule}`);
}

/** The first pods, and how many there are beside them. */
function podNames([names, number] = [[], 0]) {
  if (!number) return null;
  const each = names.flatMap((name, index) => [index ? ", " : "", element("span", { class: "unbroken", text: name })]);
  return element("span", {}, ...each, number > names.length ? ` and ${grouped(number - names.length)} more` : "");
}

function packetDetails(use) {
  const lines = packetLines(use).map(([what, line]) =>
    element("div", { class: "line-to-copy" }, element("span", { text: what }), element("code", { text: line }), copyButton(line, what)));
  if (!lines.length) return element("p", { class: "packets", text: "Its packets were reduced on the node." });
  return element("details", { class: "packets" }, element("summary", { text: "Look at the packet" }), ...lines);
}

function callButton(call, text) {
  const sign = call.mark ? SIGNS[call.mark] + " " : "";
  const ports = call.uses.map(portText).slice(0, 3).join(", ");
  return element("li", {}, button(sign + text, () => select({ call: call.index }), { class: call.mark.replace(" ", "-") || null, "data-call": call.index }),
    ports ? element("span", { class: "ports", text: ports + (call.uses.length > 3 ? ", …" : "") }) : null);
}

function callList(title, list, text) {
  return [
    element("h3", { text: `${title} (${list.length})` }),
    element("ul", { class: "calls" }, ...list.slice(0, LISTED).map((call) => callButton(call, text(call)))),
    ...(list.length > LISTED ? [element("p", { text: grouped(list.length - LISTED) + " more: the table has them all, a search fewer." })] : []),
  ];
}

function bundleParts(picture, id) {
  const bundle = picture.bundles.find((one) => one.id === id)
    ?? picture.groups.filter((group) => group.inside.length && group.id + " > " + group.id === id).map(insideBundle)[0];
  if (!bundle) return overviewParts(picture);
  if (bundle.entries.length === 1) return callParts(bundle.entries[0].call);
  return [
    element("h2", { text: boxTitle(bundle.from) + " → " + boxTitle(bundle.to) }),
    fields([["connections", bundle.connections ? grouped(bundle.connections) : null], ["ports", bundle.ports.map(fullPort).join(", ")], ["changed", markText(bundle.marks)]]),
    ...callList("calls", changedFirst(bundle.entries.map(({ call }) => call)), named),
  ];
}

function workloadParts(one) {
  const out = calls.filter((call) => call.client === one);
  const into = calls.filter((call) => call.server === one);
  const doubts = doubtsOfWorkload(one);
  return [
    element("h2", { text: one.label }),
    fields([["namespace", one.namespace], ["kind", one.outside ? "outside the cluster" : one.kind], ["label", one.podLabel],
      ["labels", groupLabels.filter(({ of }) => of(one)).map(({ key, of }) => key + "=" + of(one)).join("; ")],
      ["owned by", ownersOf(one, 0, 1)], ["owns", ownersOf(one, 1, 0)]]),
    neighbourhoodTools(one),
    ...(doubts.length ? [element("h3", { text: "Uncertain" }), element("ul", { class: "doubts" }, ...doubts.map((text) => element("li", { text })))] : []),
    ...callList("calls", out, (call) => call.server.label),
    ...callList("called by", into, (call) => call.client.label),
  ];
}

/** Who owns a workload, or what it owns: names, by their places in the pairs of part and owner. */
function ownersOf(one, mine, other) {
  return latest.owners.filter((pair) => pair[mine] === one.fullName).map((pair) => pair[other]).join(", ");
}

/** Buttons that leave a workload and those around it. */
function neighbourhoodTools(one) {
  const isFocus = state.focus === one.label;
  const choice = (text, change) => {
    const on = isFocus && Object.entries(change).every(([name, value]) => state[name] === value);
    return button(text, () => go({ focus: one.label, ...change }), { "aria-pressed": String(on), "data-choice": text });
  };
  return element("div", { class: "choices" },
    element("span", { text: "Neighbourhood" }),
    element("div", { class: "joined", role: "group", "aria-label": "Hops" }, choice("1 hop", { hops: 1 }), choice("2 hops", { hops: 2 })),
    element("div", { class: "joined", role: "group", "aria-label": "Direction" },
      choice("both", { dir: "both" }), choice("callers", { dir: "callers" }), choice("callees", { dir: "callees" })),
    isFocus ? button("Show all", () => go({ focus: "" })) : null);
}

/** What a diff is about comes first. */
const changedFirst = (list) => (isDiff ? [...list].sort((one, other) => (one.mark === "") - (other.mark === "") || one.index - other.index) : list);

/** A search that leaves a group out, where a search can name it. */
function hideButton(group) {
  if (state.by !== "namespace" || group.key === NOWHERE || group.key.includes('"')) return null;
  const term = group.key === OUTSIDE ? "-is:outside" : `-ns:${/[\s,]/.test(group.key) ? `"${group.key}"` : group.key}`;
  return button("Hide", () => go({ q: (state.q + " " + term).trim(), selected: null }), { class: "hide", "aria-label": "Hide " + group.title });
}

function overviewParts({ groups, entries }) {
  const list = groups.map((group) => {
    const open = group.open ? "Close " : "Open ";
    return element("li", {}, swatch(group.key),
      button(group.title, () => toggleGroup(group.key), { "aria-expanded": String(group.open), "aria-label": open + group.title, "data-group": group.key }),
      element("span", { class: "ports", text: String(group.members.length) }), groups.length > 1 ? hideButton(group) : null);
  });
  return [
    element("h2", { text: "What is shown" }),
    element("p", { text: "Choose a line for its evidence, a workload for its calls." }),
    element("h3", { text: `Groups (${groups.length})` }),
    element("ul", { class: "groups" }, ...list),
    ...callList("Calls", changedFirst(entries.map(({ call }) => call)), named),
  ];
}
