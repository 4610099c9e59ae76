// Open groups of the map: frames, and titles that hide no line.
"use strict";

/** An open group: a frame, and over the lines a title that closes it. */
function frame(group, place) {
  const drawn = drawing("rect", { class: "frame", ...place, rx: 10 });
  drawn.style.setProperty("--hue", lookOf(group.key).hue);
  return drawn;
}

function frameTitle(group, places, items) {
  const place = places.boxes.get(group.id);
  const title = shortened(group.title, LONGEST_NAME);
  const inner = counted(group.members.length, group.key === OUTSIDE ? "destination" : "workload");
  const width = Math.min(widthOf(title, BOLD) + 56, place.width - 4);
  const drawn = drawing("g", { class: "closer", "aria-expanded": "true", transform: `translate(${titleStart(place, width, places)} ${place.y + 2})` },
    drawing("g", { class: "grown" },
      drawing("rect", { class: "title-back", width, height: 24, rx: 8 }),
      drawing("rect", { x: 8, y: 6, width: 12, height: 12, rx: 3, fill: `url(#${lookOf(group.key).pattern})` }),
      drawing("text", { class: "group-name", x: 26, y: 16.5, text: title }),
      drawing("path", { class: "sign", d: `M${width - 18} 12h9` })));
  drawn.style.setProperty("--hue", lookOf(group.key).hue);
  return item({ id: group.id, drawn, place: { ...place, height: 26 }, kind: "group",
    name: `${groupNoun(group)} ${title}: ${inner}`, tip: `${group.title}: ${inner}; click to close`,
    press: () => toggleGroup(group.key) }, items);
}

/** Where along a frame's top its title hides no line; at its beginning where there is no such place. */
function titleStart(frame, usualWidth, places) {
  const first = frame.x + 2;
  const { clientWidth, clientHeight } = byId("canvas");
  const growth = titleGrowth(fitScale(places, { width: clientWidth - 2 * MARGIN, height: clientHeight - 2 * MARGIN }));
  const width = usualWidth * growth;
  const [top, bottom] = [frame.y + 28 - 28 * growth, frame.y + 28];
  const lines = places.routes.flatMap(({ points }) => points.slice(1).map((to, index) => [points[index], to]))
    .filter(([from, to]) => Math.min(from.y, to.y) < bottom && Math.max(from.y, to.y) > top)
    .map(([from, to]) => [Math.min(from.x, to.x) - 4, Math.max(from.x, to.x) + 4])
    .sort(([one], [other]) => one - other);
  let x = first;
  for (const [left, right] of lines) {
    if (left < x + width && right > x) x = right;
  }
  return x + width <= frame.x + frame.width - 2 ? x : first;
}
