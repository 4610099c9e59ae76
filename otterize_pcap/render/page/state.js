// What is shown, and the part of the address after `#` that says so: `#ns=shop&focus=checkout`.
"use strict";

const DEFAULTS = { view: "map", by: data.by, q: "", focus: "", hops: 1, dir: "both", only: "" };
const CHOICES = { view: ["map", "matrix", "table"], dir: ["both", "callers", "callees"] };

/** `open` and `near` are the groups opened by hand: of everything, and of a search or focus. */
let state = { ...DEFAULTS, open: null, near: null, selected: null };

/** Whether only a part is shown, which has its own open groups. */
const isPart = (of = state) => of.q.trim() !== "" || of.focus !== "" || of.only !== "";
const openList = (of = state) => (isPart(of) ? of.near : of.open);

function listText(names) {
  return [...names].map(encodeURIComponent).join(",");
}

/** The address of a state; what is as at first is left out. */
function hashOf(of) {
  const parts = [];
  for (const [name, usual] of Object.entries(DEFAULTS)) {
    if (of[name] !== usual) parts.push(name + "=" + encodeURIComponent(of[name]));
  }
  if (of.selected?.call !== undefined) parts.push("call=" + callLink(calls[of.selected.call]));
  if (of.selected?.workload !== undefined) parts.push("at=" + encodeURIComponent(workloads[of.selected.workload].label));
  const open = openList(of);
  if (open !== null) parts.push("ns=" + (open === "all" ? "*" : listText(open)));
  return parts.length ? "#" + parts.join("&") : "";
}

const callLink = (call) => listText([call.client.label, call.server.label]);

function selectedBy(given) {
  if (given.has("call")) {
    const call = calls.find((one) => callLink(one) === given.get("call"));
    return call ? { call: call.index } : null;
  }
  const workload = given.has("at") ? workloadNamed(decoded(given.get("at"))) : null;
  return workload ? { workload: workload.index } : null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The state that an address asks for; what it does not understand is left as at first. */
function stateOf(hash) {
  const found = { ...DEFAULTS, open: null, near: null, selected: null };
  const given = new Map(hash.replace(/^#/, "").split("&").filter(Boolean).map((part) => {
    const [name, ...rest] = part.split("=");
    return [name, rest.join("=")];
  }));
  for (const name of Object.keys(DEFAULTS)) {
    if (given.has(name)) found[name] = decoded(given.get(name));
  }
  found.hops = found.hops === "2" ? 2 : 1;
  for (const [name, allowed] of Object.entries(CHOICES)) {
    if (!allowed.includes(found[name])) found[name] = DEFAULTS[name];
  }
  if (!Object.hasOwn(GROUPINGS, found.by)) found.by = DEFAULTS.by;
  const opened = (given.get("ns") ?? "").split(",").filter(Boolean).map(decoded);
  if (found.focus) found.focus = workloadNamed(found.focus, opened)?.label ?? "";
  found.selected = selectedBy(given);
  if (given.has("ns")) {
    found[isPart(found) ? "near" : "open"] = given.get("ns") === "*" ? "all" : new Set(opened);
  }
  return found;
}

/** Show something else; what is typed letter by letter makes no entry in the history. */
function go(change, { typing = false } = {}) {
  const before = state;
  state = { ...state, ...change };
  const elsewhere = ["q", "focus", "only", "by", "hops", "dir"].some((name) => state[name] !== before[name]);
  if (elsewhere && change.near === undefined) state.near = null;
  if (elsewhere && state.by !== before.by && change.open === undefined) state.open = null;
  tellAddress(typing);
  render({ typing });
}

/** Puts what is shown into the address, as an entry of its own or in place of the last. */
function tellAddress(inPlace) {
  const address = hashOf(state);
  if (address === location.hash) return;
  const target = address || location.pathname + location.search;
  try {
    if (inPlace) history.replaceState(null, "", target);
    else history.pushState(null, "", target);
  } catch {
    // Some browsers keep no history of a page from a file.
  }
}
