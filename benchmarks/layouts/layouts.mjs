// Each library with the options that suit calls: `async (cluster) => {boxes, lines}` where a box is
// [left, top, width, height] and a line the points of an edge, in the cluster's order.

import dagreAlone from "@dagrejs/dagre";
import cytoscape from "cytoscape";
import dagre from "cytoscape-dagre";
import fcose from "cytoscape-fcose";
import { graphConnect, sugiyama } from "d3-dag";
import ELK from "elkjs/lib/elk.bundled.js";

cytoscape.use(dagre);
cytoscape.use(fcose);
const WIDTH = 120;
const HEIGHT = 28;

function elk(options, { compound = true } = {}) {
  return async ({ nodes, edges }) => {
    const child = ({ id }) => ({ id, width: WIDTH, height: HEIGHT });
    const groups = [...new Set(nodes.map((node) => node.group))];
    const children = compound
      ? groups.map((id) => ({ id, children: nodes.filter((node) => node.group === id).map(child) }))
      : nodes.map(child);
    const laidOut = await new ELK().layout({
      id: "root",
      children,
      edges: edges.map(([a, b], index) => ({ id: "e" + index, sources: [nodes[a].id], targets: [nodes[b].id] })),
      layoutOptions: {
        "elk.algorithm": "layered",
        "elk.hierarchyHandling": "INCLUDE_CHILDREN",
        "elk.json.edgeCoords": "ROOT",
        "elk.json.shapeCoords": "ROOT",
        ...options,
      },
    });
    const found = new Map();
    const walk = (part) => {
      for (const one of part.children ?? []) {
        found.set(one.id, [one.x, one.y, one.width, one.height]);
        walk(one);
      }
    };
    walk(laidOut);
    return {
      boxes: nodes.map((node) => found.get(node.id)),
      lines: laidOut.edges.map(({ sections: [s] }) =>
        [s.startPoint, ...(s.bendPoints ?? []), s.endPoint].map(({ x, y }) => [x, y])),
    };
  };
}

function cytoscapeLayout(name, options) {
  return async ({ nodes, edges }) => {
    const groups = [...new Set(nodes.map((node) => node.group))];
    const cy = cytoscape({
      headless: true,
      styleEnabled: true,
      style: [{ selector: "node", style: { width: WIDTH, height: HEIGHT, shape: "rectangle" } }],
      elements: [
        ...groups.map((id) => ({ data: { id } })),
        ...nodes.map(({ id, group }) => ({ data: { id, parent: group } })),
        ...edges.map(([a, b], index) => ({ data: { id: "e" + index, source: nodes[a].id, target: nodes[b].id } })),
      ],
    });
    const layout = cy.layout({ name, animate: false, fit: false, ...options });
    const done = layout.promiseOn("layoutstop");
    layout.run();
    await done;
    const centre = (node) => {
      const { x, y } = cy.getElementById(node.id).position();
      return [x, y];
    };
    return {
      boxes: nodes.map(centre).map(([x, y]) => [x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT]),
      // As cytoscape draws them: straight from middle to middle.
      lines: edges.map(([a, b]) => [centre(nodes[a]), centre(nodes[b])]),
    };
  };
}

/** dagre's own routes, with bends, which cytoscape does not draw. */
async function dagreRoutes({ nodes, edges }) {
  const graph = new dagreAlone.graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: "LR" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of new Set(nodes.map((node) => node.group))) graph.setNode(id, {});
  for (const { id, group } of nodes) {
    graph.setNode(id, { width: WIDTH, height: HEIGHT });
    graph.setParent(id, group);
  }
  for (const [a, b] of edges) graph.setEdge(nodes[a].id, nodes[b].id, {});
  dagreAlone.layout(graph);
  const places = nodes.map(({ id }) => graph.node(id));
  return {
    boxes: places.map(({ x, y }) => [x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT]),
    lines: edges.map(([a, b]) => graph.edge(nodes[a].id, nodes[b].id).points.map(({ x, y }) => [x, y])),
  };
}

async function d3Dag({ nodes, edges }) {
  const graph = graphConnect()(edges.map(([a, b], index) => [nodes[a].id, nodes[b].id, index]));
  sugiyama().nodeSize([HEIGHT, WIDTH]).gap([10, 60])(graph);
  const places = new Map([...graph.nodes()].map((node) => [node.data, [node.y, node.x]]));
  const lines = [];
  for (const link of graph.links()) lines[link.data[2]] = link.points.map(([x, y]) => [y, x]);
  return {
    boxes: nodes.flatMap(({ id }) => (places.has(id) ? [places.get(id)] : []))
      .map(([x, y]) => [x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT]),
    lines,
  };
}

export const LAYOUTS = {
  "elk, orthogonal": elk({ "elk.edgeRouting": "ORTHOGONAL" }),
  "elk, polylines": elk({ "elk.edgeRouting": "POLYLINE" }),
  "elk, namespaces not boxed": elk({ "elk.edgeRouting": "ORTHOGONAL" }, { compound: false }),
  "dagre, with bends": dagreRoutes,
  "cytoscape dagre": cytoscapeLayout("dagre", { rankDir: "LR" }),
  "cytoscape fcose": cytoscapeLayout("fcose", { quality: "default", randomize: true }),
  "d3-dag sugiyama": d3Dag,
};
