// The data of the page: workloads and calls as #data holds them (render/page_data.py writes it).
"use strict";

const data = JSON.parse(byId("data").textContent);
const MARKS = ["added", "removed", "changed", "not seen"];
const SIGNS = { added: "+", removed: "−", changed: "~", "not seen": "?" };

/** What a rule goes by, and whether it only infers who is the client. */
const rules = new Map(Object.entries(data.rules).map(([name, [text, weak]]) => [name, { text, weak }]));

/** RFC 3339 with nanoseconds, of nanoseconds since the page's first moment. */
function timeText(sinceStart) {
  const time = BigInt(data.start) + BigInt(sinceStart);
  const second = 1000000000n;
  const whole = new Date(Number(time / second) * 1000).toISOString().slice(0, 19);
  return whole + "." + String(time % second).padStart(9, "0") + "Z";
}

/** `{key, of}` of each label that groups: its value by a workload's index, "" for none. */
const groupLabels = data.labels.map(([key, values, places]) => ({ key, of: (one) => values[places[one.index]] ?? "" }));

const workloads = data.nodes.map(([label, name, namespace, kind, podLabel, place], index) => ({
  index, label, name, namespace, kind, podLabel,
  outside: place === "outside",
  fullName: namespace ? name + "." + namespace : name,
  text: (label + " " + kind + (place === "outside" ? " outside the cluster" : "")).toLowerCase(),
}));

function useOf([protocol, port, connections = 0, ...seen]) {
  const [toServer, toClient, bytesToServer, bytesToClient, first, last, outcomes, rules, services, evidence, clientPods, serverPods] = seen;
  const [file, packet, time = first, rule = rules] = evidence ?? [];
  return {
    protocol, port, connections, services: services ?? [],
    // What is left out is so of all connections.
    outcomes: outcomes ?? (connections ? { established: connections } : {}),
    rules: typeof rules === "string" ? { [rules]: connections } : rules ?? {},
    packets: [toServer, toClient], bytes: [bytesToServer, bytesToClient], first, last,
    pods: [data.pods[clientPods], data.pods[serverPods]],
    evidence: evidence ? { file: data.files[file], packet, time, rule } : null,
  };
}

const calls = data.edges.map(([client, server, status, uses, mark, remark, details], index) => ({
  index, status, mark, remark, details,
  client: workloads[client],
  server: workloads[server],
  uses: uses.map(useOf),
}));
const isDiff = calls.some((call) => call.mark !== "") || data.origins.length > 1;

const named = (call) => call.client.label + " → " + call.server.label;
const portText = (use) => (use.protocol === "TCP" ? String(use.port) : (use.protocol + " " + use.port).trim());
const fullPort = (use) => (use.protocol + " " + use.port).trim();
const connectionsOf = (uses) => uses.reduce((sum, use) => sum + use.connections, 0);

/**
 * "checkout.shop", "kafka (StatefulSet)": finds a workload by how a link names it. Of several with a
 * bare name, one of the namespaces that the link opens comes first.
 */
function workloadNamed(name, opened = []) {
  return workloads.find((one) => one.label === name)
    ?? workloads.find((one) => one.fullName === name)
    ?? workloads.find((one) => one.name === name && opened.includes(one.namespace))
    ?? workloads.find((one) => one.name === name);
}
