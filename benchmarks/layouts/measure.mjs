// node measure.mjs [SECONDS]: a table of all layouts on clusters of 50, 300 and 1,000 workloads. Each
// layout has a process of its own, as each page has, and is given up after SECONDS (120). Time is the
// process's CPU time, which other work on the machine changes least.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { cluster } from "./clusters.mjs";

const SIZES = [[50, 3], [300, 3], [300, 10], [1000, 3]];
const NAMES = [
  "elk, orthogonal", "elk, polylines", "elk, namespaces not boxed",
  "dagre, with bends", "cytoscape dagre", "cytoscape fcose", "d3-dag sugiyama",
];
const SELF = fileURLToPath(import.meta.url);

/** One layout, measured: `{seconds, crossings, through}`. */
async function measured(name, made) {
  const { countCrossings, countThrough } = await import("./crossings.mjs");
  const { LAYOUTS } = await import("./layouts.mjs");
  const start = process.cpuUsage();
  const { boxes, lines } = await LAYOUTS[name](made);
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  return { seconds, crossings: countCrossings(lines, made.edges), through: countThrough(lines, made.edges, boxes) };
}

function table(limit) {
  console.log("| layout | workloads | calls | CPU seconds | crossings | calls through other boxes |");
  console.log("|---|--:|--:|--:|--:|--:|");
  for (const name of NAMES) {
    for (const [count, perWorkload] of SIZES) {
      const calls = cluster(count, perWorkload).edges.length;
      const run = spawnSync("sh", ["-c", `ulimit -t ${limit}; exec "$@"`, "sh", process.execPath, SELF, "one", name, count, perWorkload], { encoding: "utf8" });
      const cells = run.status === 0
        ? (({ seconds, crossings, through }) => [seconds.toFixed(1), crossings, through])(JSON.parse(run.stdout))
        : [run.signal ? `more than ${limit}` : "fails", "", ""];
      console.log(`| ${[name, count, calls, ...cells].join(" | ")} |`);
    }
  }
}

const [task, name, count, perWorkload] = process.argv.slice(2);
if (task === "one") {
  console.log(JSON.stringify(await measured(name, cluster(Number(count), Number(perWorkload)))));
  // Cytoscape's clock would go on for ever.
  process.exit();
} else table(Number(task ?? 120));
