// Made clusters: the same for the same size. A namespace has a front end, services and stores; most
// calls stay in it, the rest go to what all share: a gateway, logs, an identity provider.

const PER_NAMESPACE = 25;
const OUTWARD = 0.15;

/** A generator of numbers in [0, 1) that always gives the same ones (mulberry32). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` workloads with about `perWorkload` calls each: `{nodes: [{id, group}], edges: [[a, b]]}`. */
export function cluster(count, perWorkload) {
  const random = numbers(count * 31 + perWorkload);
  const pick = (from, to) => from + Math.floor(random() * (to - from));
  const nodes = Array.from({ length: count }, (_, index) => ({
    id: "n" + index,
    group: "g" + Math.floor(index / PER_NAMESPACE),
  }));
  const seen = new Set();
  const edges = [];
  for (let tries = 0; edges.length < count * perWorkload && tries < count * perWorkload * 20; tries += 1) {
    const client = pick(0, count);
    const start = client - (client % PER_NAMESPACE);
    const end = Math.min(start + PER_NAMESPACE, count);
    // Later ones of a namespace are called more: tiers. Namespace 0 is what all share.
    let server = random() < OUTWARD ? pick(0, Math.min(PER_NAMESPACE, count)) : pick(start, end);
    if (server < client && server >= start && random() < 0.9) server = pick(client, end);
    const key = client * count + server;
    if (client === server || seen.has(key)) continue;
    seen.add(key);
    edges.push([client, server]);
  }
  return { nodes, edges };
}
