// The head of the page: which captures, when, for how long, what they cover and what they lack.
"use strict";

const shortTime = (text) => text.slice(0, 19).replace("T", " ");

function lasted(seconds) {
  if (seconds < 120) return seconds.toFixed(1) + " s";
  if (seconds < 7200) return (seconds / 60).toFixed(1) + " min";
  return (seconds / 3600).toFixed(1) + " h";
}

/** The folder that all files of a capture are in, or the file that is all of it. */
function captureName(files) {
  const paths = files.map(([file]) => file.split("/"));
  if (paths.length === 1 && paths[0].at(-2) !== "pcap") return files[0][0];
  let common = 0;
  while (paths.length && paths.every((path) => path.length > common + 1 && path[common] === paths[0][common])) common += 1;
  const folder = (paths[0] ?? []).slice(0, common);
  if (folder.at(-1) === "pcap") folder.pop();
  return folder.join("/");
}

function originLine({ role, coverage }) {
  const name = coverage ? captureName(coverage.files) : "";
  const start = [role, shortened(name, 60)].filter(Boolean).map((text) => text + ": ").join("");
  if (!coverage) return start + "declared in documents, not captured";
  const packets = coverage.files.reduce((sum, [, , count]) => sum + count, 0);
  const parts = [`${counted(packets, "packet")} in ${counted(coverage.files.length, "file")}`];
  if (coverage.first) parts.push(`${shortTime(coverage.first)} UTC, ${lasted(coverage.seconds)}`);
  if (coverage.nodes) parts.push(`${coverage.captured} of ${counted(coverage.nodes, "node")} captured`);
  parts.push(coverage.gaps.length ? counted(coverage.gaps.length, "gap") : "no known gap");
  return start + parts.join(" · ");
}

function coverageParts({ role, coverage }) {
  if (!coverage) return [];
  const resolved = Object.entries(coverage.connections).map(([fate, count]) => [fate, grouped(count)]);
  const rows = coverage.files.map(([file, node, packets, dropped]) =>
    element("tr", {}, element("td", { text: file }), element("td", { text: node }),
      element("td", { class: "number", text: grouped(packets) }), element("td", { class: "number", text: dropped === null ? "unknown" : grouped(dropped) })));
  return [
    element("h2", { text: role || "Capture" }),
    fields([["first packet", coverage.first], ["last packet", coverage.last]]),
    ...(coverage.gaps.length ? [element("h3", { text: "Gaps: what was not seen is no proof of absence" }),
      element("ul", { class: "doubts" }, ...coverage.gaps.map(([reason]) => element("li", { text: reason })))] : []),
    element("h3", { text: "Connections" }), fields(resolved),
    ...(coverage.notes.length ? [element("h3", { text: "Notes" }), element("ul", {}, ...coverage.notes.map((text) => element("li", { text })))] : []),
    element("h3", { text: "Files" }),
    element("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": "Files of the capture" + (role ? ", " + role : "") },
      element("table", {}, element("thead", {}, element("tr", {}, ...["file", "node", "packets", "dropped"].map((text) => element("th", { scope: "col", text })))),
        element("tbody", {}, ...rows))),
  ];
}

function showOrigins() {
  const lines = data.origins.map((origin, index) => element("span", {
    class: origin.coverage?.gaps.length ? "lacks" : null,
    text: originLine(origin) + (index === data.origins.length - 1 ? " · " + data.tool : ""),
  }));
  byId("origin-line").replaceChildren(...(lines.length ? lines : [element("span", { text: data.tool })]));
  byId("origin-parts").replaceChildren(...data.origins.flatMap(coverageParts));
}
