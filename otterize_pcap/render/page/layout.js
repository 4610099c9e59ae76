// Boxes and bundles → places, by ELK's layered method.
"use strict";

const FONT = "13px system-ui, sans-serif";
const BOLD = "600 13px system-ui, sans-serif";
const SMALL = "11px system-ui, sans-serif";
const LONGEST_NAME = 34;
// Edge labels take part in the layout up to so many bundles; more would push the boxes far apart.
const LABELLED = 70;
const LONGEST_LABEL = 24;
// A picture that fits at less than this scale is laid out the other way as well, if that is quick;
// one of more lines has many layers, which take less room above each other than in a row.
const LARGE_ENOUGH = 0.85;
const TRIED_BOTH_WAYS = 120;
const WORTH_TURNING = 1.1;
// More lines make a larger map, which is shown smaller: the names of closed groups grow with it.
const LINES_AT_USUAL_SIZE = 20;
const LARGEST_NAMES = 4;
// Room on a box's side for each line that ends there.
const LINE_ROOM = 9;

const pen = document.createElement("canvas").getContext("2d");
function widthOf(text, font) {
  pen.font = font;
  return Math.ceil(pen.measureText(text).width);
}

const ROOT_OPTIONS = {
  "elk.algorithm": "layered",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.json.edgeCoords": "ROOT",
  "elk.json.shapeCoords": "ROOT",
  "elk.spacing.nodeNode": "18",
  "elk.spacing.edgeNode": "14",
  "elk.spacing.edgeEdge": "8",
  "elk.spacing.edgeLabel": "3",
  "elk.spacing.componentComponent": "36",
  "elk.layered.spacing.nodeNodeBetweenLayers": "32",
  "elk.layered.spacing.edgeNodeBetweenLayers": "11",
  "elk.layered.spacing.edgeEdgeBetweenLayers": "8",
  "elk.layered.nodePlacement.bk.fixedAlignment": "BALANCED",
  "elk.layered.considerModelOrder.strategy": "NONE",
};

function bundleLabel(bundle) {
  const ports = bundle.ports.map(portText);
  const text = bundle.entries.length > 1 && bundle.ports.length > 3
    ? bundle.entries.length + " calls" : ports.slice(0, 3).join(", ") + (ports.length > 3 ? ", …" : "");
  const marks = bundle.entries.length > 1 ? markText(bundle.marks) : SIGNS[soleMark(bundle.marks)] ?? "";
  return shortened([marks, text].filter(Boolean).join(" "), LONGEST_LABEL);
}

/** How much larger than usual the texts of closed groups are. */
const groupScale = ({ bundles }) => Math.min(Math.max(Math.sqrt(bundles.length / LINES_AT_USUAL_SIZE), 1), LARGEST_NAMES);

/** A box has room for the lines that end at one of its sides. */
function boxSize(box, lines, { tall, scale = 1 }) {
  const text = textSize(box);
  const size = { width: text.width * scale, height: text.height * scale };
  const room = 12 + LINE_ROOM * Math.min(Math.max(lines.in.get(box.id) ?? 0, lines.out.get(box.id) ?? 0), 24);
  return tall ? { ...size, width: Math.max(size.width, room) } : { ...size, height: Math.max(size.height, room) };
}

/** How many lines leave and reach each box. */
function lineCounts(bundles) {
  const found = { in: new Map(), out: new Map() };
  const add = (counts, id) => counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const { from, to } of bundles) {
    add(found.out, from.id);
    add(found.in, to.id);
  }
  return found;
}

function textSize(box) {
  if (box.workload) {
    const one = box.workload;
    const name = widthOf(shortened(boxName(box), LONGEST_NAME), FONT);
    return { width: Math.max(name, widthOf(boxKind(box), SMALL)) + 34, height: boxKind(box) ? 40 : 30 };
  }
  const lines = groupLines(box);
  return { width: Math.max(widthOf(shortened(box.title, LONGEST_NAME), BOLD), ...lines.map((line) => widthOf(line, SMALL))) + 44, height: 34 + 16 * lines.length };
}

/** In its namespace's box a workload needs no namespace in its name. */
function boxName({ workload, group }) {
  return state.by === "namespace" && workload.label.startsWith(workload.fullName) && !workload.outside
    ? workload.name + workload.label.slice(workload.fullName.length) : workload.label;
}

function boxKind({ workload }) {
  return workload.kind;
}

function groupLines(group) {
  const noun = group.key === OUTSIDE ? "destination" : "workload";
  const lines = [counted(group.members.length, noun)];
  if (group.inside.length) lines.push(counted(group.inside.length, "call") + " inside");
  const marks = markText(marksOf(group.inside));
  if (marks) lines.push("inside: " + marks);
  return lines;
}

/** Room for a group's title; ELK takes the two lengths along and across its direction. */
function leastSize(group, tall) {
  const width = widthOf(shortened(group.title, LONGEST_NAME), BOLD) + 70;
  return tall ? `(40, ${width})` : `(${width}, 40)`;
}

/** ELK's graph of what is shown; `tall` runs it downwards, for screens that are higher than wide. */
function elkGraph({ groups, bundles }, tall) {
  const scale = groupScale({ bundles });
  const labelled = bundles.length <= LABELLED;
  const lines = lineCounts(bundles);
  const children = groups.map((group) => (group.open
    ? {
      id: group.id,
      layoutOptions: { "elk.padding": "[top=34,left=14,bottom=14,right=14]", "elk.nodeSize.constraints": "MINIMUM_SIZE",
        "elk.nodeSize.minimum": leastSize(group, tall) },
      children: group.members.map((workload) => {
        const id = "w:" + workload.index;
        return { id, ...boxSize({ id, workload, group }, lines, { tall }) };
      }),
    }
    : { id: group.id, ...boxSize(group, lines, { tall, scale }) }));
  return {
    id: "root",
    layoutOptions: { ...ROOT_OPTIONS, "elk.direction": tall ? "DOWN" : "RIGHT", "elk.aspectRatio": tall ? "0.6" : "1.7" },
    children,
    edges: bundles.map((bundle, index) => {
      const text = labelled ? bundleLabel(bundle) : "";
      return {
        id: "b" + index, sources: [bundle.from.id], targets: [bundle.to.id],
        labels: text ? [{ text, width: widthOf(text, SMALL) + 8, height: 15, layoutOptions: { "elk.edgeLabels.inline": "true" } }] : [],
      };
    }),
  };
}

/** By how much a laid out picture is scaled so that it fits, at most to its own size. */
const fitScale = (places, { width, height }) => Math.min(width / places.width, height / places.height, 1);

/** The layout that shows larger in an area: to the right or downwards. */
async function layOut(picture, area) {
  const tall = isTall() || picture.bundles.length > TRIED_BOTH_WAYS;
  const first = await layOutAlong(picture, tall);
  if (fitScale(first, area) > LARGE_ENOUGH || picture.bundles.length > TRIED_BOTH_WAYS) return first;
  const second = await layOutAlong(picture, !tall);
  return fitScale(second, area) > fitScale(first, area) * WORTH_TURNING ? second : first;
}

/** `{boxes: Map of id → rectangle, routes: [{points, label}], width, height}`. */
async function layOutAlong(picture, tall) {
  const graph = await runLayout(elkGraph(picture, tall));
  const boxes = new Map();
  const walk = (part) => (part.children ?? []).forEach((child) => {
    boxes.set(child.id, { x: child.x, y: child.y, width: child.width, height: child.height });
    walk(child);
  });
  walk(graph);
  const routes = graph.edges.map(({ sections, labels }) => ({
    points: sections ? sections.flatMap((part) => [part.startPoint, ...(part.bendPoints ?? []), part.endPoint]) : [],
    label: labels?.[0] ?? null,
  }));
  return { boxes, routes, width: graph.width, height: graph.height };
}
