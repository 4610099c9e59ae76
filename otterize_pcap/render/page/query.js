// The one search of all views: `checkout`, `port:5432`, `ns:shop`, `checkout -> kafka`, `-ns:infra`.
"use strict";

const ARROW = /->|→|=>/;
const TERM = /(-?)(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/gi;

/** A search text in parts: terms for the client, for the server, and for either. */
function parseQuery(text) {
  const sides = text.split(ARROW);
  if (sides.length === 1) return { client: [], server: [], either: termsOf(text) };
  const rest = sides.slice(1).join(" ");
  return { client: termsOf(sides[0]), server: termsOf(rest), either: [] };
}

function termsOf(text) {
  const terms = [];
  for (const [, minus, field, quoted, bare] of text.matchAll(TERM)) {
    const known = field === undefined || Object.hasOwn(TESTS, field.toLowerCase());
    // A word with a colon that is no field, as an IPv6 address, is a word.
    const value = (known ? quoted ?? bare : field + ":" + (quoted ?? bare)).toLowerCase();
    terms.push({ not: minus === "-", field: known && field ? field.toLowerCase() : "", value });
  }
  return terms;
}

const exactly = (value, wanted) => value.toLowerCase() === wanted;
const inRange = (port, wanted) => {
  const [from, to] = wanted.split("-");
  return to === undefined ? String(port) === wanted : port >= Number(from) && port <= Number(to);
};

// What a field asks of a party, of a port, or of the call: the first that is there is asked.
const TESTS = {
  "": { party: (one, wanted) => one.text.includes(wanted),
    use: (use, wanted) => String(use.port) === wanted || exactly(use.protocol, wanted) },
  ns: { party: (one, wanted) => exactly(one.namespace, wanted) },
  namespace: { party: (one, wanted) => exactly(one.namespace, wanted) },
  name: { party: (one, wanted) => one.name.toLowerCase().includes(wanted) },
  kind: { party: (one, wanted) => exactly(one.kind, wanted) },
  label: { party: (one, wanted) => one.podLabel.toLowerCase().includes(wanted)
    || groupLabels.some(({ key, of }) => of(one).split(", ").some((value) => value && (key + "=" + value).toLowerCase().includes(wanted))) },
  is: { party: (one, wanted) => wanted === "outside" && one.outside },
  port: { use: (use, wanted) => inRange(use.port, wanted) },
  proto: { use: (use, wanted) => exactly(use.protocol, wanted) },
  protocol: { use: (use, wanted) => exactly(use.protocol, wanted) },
  via: { use: (use, wanted) => use.services.some((name) => name.toLowerCase().includes(wanted)) },
  rule: { use: (use, wanted) => Object.keys(use.rules).some((name) => exactly(name, wanted)) },
  outcome: { use: (use, wanted) => Object.keys(use.outcomes).some((name) => exactly(name, wanted)) },
  status: { call: (call, wanted) => exactly(call.status, wanted) },
  mark: { call: (call, wanted) => exactly(call.mark, wanted) },
};

/** Whether a term holds for a use of a call; `use` is null for a call without known ports. */
function holds(term, parties, call, use) {
  const test = TESTS[term.field];
  const found = term.value.split(",").filter(Boolean).some((wanted) =>
    (test.party !== undefined && parties.some((one) => test.party(one, wanted)))
    || (test.use !== undefined && use !== null && test.use(use, wanted))
    || (test.call !== undefined && test.call(call, wanted)));
  return found !== term.not;
}

/** The uses of a call that a query asks for; null where it asks for none of this call. */
function matchingUses(query, call) {
  const all = (use) =>
    query.either.every((term) => holds(term, [call.client, call.server], call, use))
    && query.client.every((term) => holds(term, [call.client], call, use))
    && query.server.every((term) => holds(term, [call.server], call, use));
  if (call.uses.length === 0) return all(null) ? [] : null;
  const found = call.uses.filter(all);
  return found.length ? found : null;
}
