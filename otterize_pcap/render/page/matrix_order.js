// In which order a matrix has its rows and columns: by group, and in a group those that call and are
// called alike beside each other (a chain of nearest neighbours).
"use strict";

// Chains cost the square of their length; above this the order of names has to do.
const LONGEST_CHAIN = 600;

/** Boxes in order; an open group stands before its workloads. */
function matrixOrder({ groups, boxes, bundles }) {
  const partners = new Map(boxes.map((box) => [box.id, new Set()]));
  for (const { from, to } of bundles) {
    partners.get(from.id).add(">" + to.id);
    partners.get(to.id).add("<" + from.id);
  }
  const byGroup = new Map(groups.map((group) => [group.key, []]));
  for (const box of boxes) byGroup.get(groupKey(box)).push(box);
  // An open group's name heads its members.
  return groups.flatMap((group) => [...(group.open ? [group] : []), ...chained(byGroup.get(group.key), partners)]);
}

function chained(members, partners) {
  if (members.length < 3 || members.length > LONGEST_CHAIN) return members;
  const rest = new Set(members);
  let current = members.reduce((most, one) => (partners.get(one.id).size > partners.get(most.id).size ? one : most));
  const order = [];
  while (current) {
    order.push(current);
    rest.delete(current);
    let best = null;
    let most = -1;
    for (const one of rest) {
      const likeness = alike(partners.get(current.id), partners.get(one.id));
      if (likeness > most) [best, most] = [one, likeness];
    }
    current = best;
  }
  return order;
}

/** Jaccard's index: the share of partners that two have in common. */
function alike(one, other) {
  let both = 0;
  for (const id of one) if (other.has(id)) both += 1;
  const all = one.size + other.size - both;
  return all === 0 ? 0 : both / all;
}
