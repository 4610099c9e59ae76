// Which calls are shown, in which boxes: a closed group is one box, and the calls between two boxes
// are one bundle. Map and matrix draw the same boxes.
"use strict";

// So many are opened without being asked: everything at first, a search or a neighbourhood later.
const FEW = { workloads: 40, calls: 35 };
const FEW_IN_PART = 60;

/** The calls and uses that search, focus and "only differences" leave. */
function shownCalls() {
  const query = parseQuery(state.q);
  const found = [];
  for (const call of calls) {
    if (state.only === "changes" && call.mark === "") continue;
    const uses = matchingUses(query, call);
    if (uses !== null) found.push({ call, uses });
  }
  const focus = state.focus ? workloadNamed(state.focus) : null;
  return focus ? neighbourhood(focus, found) : found;
}

/** The calls of a workload and, with two hops, those of whom it calls or is called by. */
function neighbourhood(focus, entries) {
  let callers = new Set([focus]);
  let callees = new Set([focus]);
  for (let hop = 1; hop < state.hops; hop += 1) {
    const clients = new Set(callers);
    const servers = new Set(callees);
    for (const { call } of entries) {
      if (callers.has(call.server)) clients.add(call.client);
      if (callees.has(call.client)) servers.add(call.server);
    }
    [callers, callees] = [clients, servers];
  }
  const wanted = {
    callers: (call) => callers.has(call.server),
    callees: (call) => callees.has(call.client),
    both: (call) => callers.has(call.server) || callees.has(call.client),
  }[state.dir];
  return entries.filter(({ call }) => wanted(call));
}

/** All workloads of the calls; where nothing is left out, those are all workloads. */
function membersOf(entries) {
  const found = new Set(entries.flatMap(({ call }) => [call.client, call.server]));
  if (state.focus) found.add(workloadNamed(state.focus));
  return [...found].sort((one, other) => one.index - other.index);
}

function openGroups(members, count) {
  const list = openList();
  const keys = new Set(members.map((one) => groupOf(one)));
  if (list === "all") return keys;
  if (list !== null) return list;
  const few = isPart() ? members.length <= FEW_IN_PART : members.length <= FEW.workloads && count <= FEW.calls;
  if (few || state.by === "none") return keys;
  return new Set(state.focus ? [groupOf(workloadNamed(state.focus))] : []);
}

/** `{groups, boxes, bundles, entries, members}` of the present state. */
function shown() {
  const entries = shownCalls();
  const members = membersOf(entries);
  const open = openGroups(members, entries.length);
  const groups = new Map();
  for (const one of members) {
    const key = groupOf(one);
    if (!groups.has(key)) groups.set(key, { id: "g:" + key, key, title: titleOf(key), members: [], open: open.has(key), inside: [] });
    groups.get(key).members.push(one);
  }
  const boxOf = new Map();
  for (const group of groups.values()) {
    for (const one of group.members) {
      boxOf.set(one, group.open ? { id: "w:" + one.index, workload: one, group } : group);
    }
  }
  const bundles = bundlesOf(entries, boxOf);
  const boxes = [...new Set(boxOf.values())];
  return { groups: [...groups.values()].sort(byTitle), boxes, bundles, entries, members };
}

function byTitle(one, other) {
  const late = (group) => (group.key === OUTSIDE ? 1 : 0);
  return late(one) - late(other) || (one.title < other.title ? -1 : 1);
}

function bundlesOf(entries, boxOf) {
  const bundles = new Map();
  for (const entry of entries) {
    const [from, to] = [boxOf.get(entry.call.client), boxOf.get(entry.call.server)];
    if (from === to && from.workload === undefined) {
      from.inside.push(entry);
      continue;
    }
    const id = from.id + " > " + to.id;
    if (!bundles.has(id)) bundles.set(id, { id, from, to, entries: [] });
    bundles.get(id).entries.push(entry);
  }
  return [...bundles.values()].map(summed);
}

/** A bundle with what its line shows: connections, ports, marks, whether it crosses a boundary. */
function summed(bundle) {
  const uses = bundle.entries.flatMap((entry) => entry.uses);
  return {
    ...bundle,
    connections: connectionsOf(uses),
    ports: [...new Map(uses.map((use) => [fullPort(use), use])).values()],
    marks: marksOf(bundle.entries),
    crosses: groupKey(bundle.from) !== groupKey(bundle.to),
    tried: bundle.entries.every(({ call }) => call.status !== "established"),
  };
}

/** What a line or square stands for: its one call, which an address can name, or several. */
const choiceOf = ({ id, entries }) => (entries.length === 1 ? { call: entries[0].call.index } : { bundle: id });

const groupKey = (box) => (box.workload ? box.group.key : box.key);

/** `{added: 2, "": 5}`: how many calls of each mark. */
function marksOf(entries) {
  const found = {};
  for (const { call } of entries) found[call.mark] = (found[call.mark] ?? 0) + 1;
  return found;
}

/** The one mark among these calls, "" where there is none, "mixed" where there are several. */
function soleMark(marks) {
  const names = Object.keys(marks).filter((mark) => mark !== "");
  return names.length > 1 ? "mixed" : names[0] ?? "";
}

/** Classes that colour a line or square; `whole` where all of its calls have the mark. */
function markClass(marks) {
  const mark = soleMark(marks);
  if (mark === "") return "";
  return mark.replace(" ", "-") + (Object.keys(marks).length === 1 ? " whole" : "");
}

/** "+2 −1": what a diff changed among these calls. */
function markText(marks) {
  return MARKS.filter((mark) => marks[mark]).map((mark) => SIGNS[mark] + marks[mark]).join(" ");
}
