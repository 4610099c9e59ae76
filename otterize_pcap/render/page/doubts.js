// What is uncertain about a call or a workload, and why.
"use strict";

const coverages = data.origins.map(({ coverage }) => coverage).filter(Boolean);
// Of a diff the newer graph says what was not seen.
const latest = data.origins.at(-1) ?? { coverage: null, inferred: [], owners: [] };

const STATUS_TEXTS = {
  attempted: "Only attempted: no connection was established.",
  lookup: "Only looked up: its name was asked for, and no connection was seen.",
};

/** Sentences about a call. */
function doubtsOfCall(call) {
  const found = [];
  if (STATUS_TEXTS[call.status]) found.push(STATUS_TEXTS[call.status]);
  const weak = [...new Set(call.uses.flatMap((use) => Object.keys(use.rules)))].filter((rule) => rules.get(rule)?.weak);
  for (const rule of weak) found.push(`Who is the client was inferred in some connections, by ${rule}: ${rules.get(rule).text}.`);
  for (const [fate, clients, servers, protocol, connections] of latest.coverage?.undecided ?? []) {
    const fits = (names, one) => names === null || names.includes(one.fullName);
    if (clients === null && servers === null) continue;
    if (fits(clients, call.client) && fits(servers, call.server)) {
      found.push(`${counted(connections, "more connection")} may be this call${protocol ? " (" + protocol + ")" : ""}: ${fate}.`);
    }
  }
  return [...found, ...[call.client, call.server].flatMap(doubtsOfName)];
}

/** Why a workload's packets may be another's. */
function doubtsOfName(one) {
  const inferred = latest.inferred.filter(([name]) => name === one.fullName)
    .map(([name, by]) => `${name} is named by what its pods say: ${by}.`);
  const shared = (latest.coverage?.shared ?? []).filter(([names]) => names.includes(one.fullName))
    .map(([names, addresses]) => `${counted(addresses, "address")} of ${one.fullName} belonged to `
      + `${names.filter((name) => name !== one.fullName).join(", ")} at another time; only the snapshot tells them apart.`);
  return [...inferred, ...shared];
}

/** Sentences about a workload: what a capture could not have shown of it. */
function doubtsOfWorkload(one) {
  const gaps = (latest.coverage?.gaps ?? []).filter(([, names]) => names !== null && names.includes(one.fullName));
  return [...doubtsOfName(one), ...gaps.map(([reason]) => `More calls may be missing: ${reason}.`)];
}
