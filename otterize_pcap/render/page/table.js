// The table: a row for each port of each call that is shown; sorted by a column, copied as CSV.
"use strict";

const STEP = 200;
const sorting = { column: "client", down: false };
let rowsShown = STEP;

const COLUMNS = [
  ...(isDiff ? [{ name: "mark", title: "mark", of: ({ call }) => call.mark }] : []),
  { name: "client", title: "client", of: ({ call }) => call.client.name },
  { name: "clientNamespace", title: "namespace", of: ({ call }) => call.client.namespace },
  { name: "server", title: "server", of: ({ call }) => call.server.name },
  { name: "serverNamespace", title: "namespace", of: ({ call }) => (call.server.outside ? "outside" : call.server.namespace) },
  { name: "protocol", title: "protocol", of: ({ use }) => use?.protocol ?? "" },
  { name: "port", title: "port", of: ({ use }) => use?.port ?? "", number: true },
  { name: "connections", title: "connections", of: ({ use }) => use?.connections || "", number: true },
  { name: "status", title: "status", of: ({ call }) => call.status },
  { name: "firstSeen", title: "first seen", of: ({ use }) => (use?.connections ? timeText(use.first) : "") },
  { name: "lastSeen", title: "last seen", of: ({ use }) => (use?.connections ? timeText(use.last) : "") },
];
const IN_CSV_ONLY = [
  { name: "clientKind", of: ({ call }) => call.client.kind },
  { name: "serverKind", of: ({ call }) => call.server.kind },
  { name: "services", of: ({ use }) => use?.services.join(" ") ?? "" },
  { name: "evidence", of: ({ use }) => (use?.evidence ? `${use.evidence.file} packet ${use.evidence.packet}` : "") },
];

function tableRows(entries) {
  const rows = entries.flatMap(({ call, uses }) => (uses.length ? uses.map((use) => ({ call, use })) : [{ call, use: null }]));
  const { of, number } = COLUMNS.find(({ name }) => name === sorting.column) ?? COLUMNS[0];
  const order = (one, other) => (number ? Number(one) - Number(other) : one < other ? -1 : one > other ? 1 : 0);
  const keyed = rows.map((row) => [of(row), row]);
  keyed.sort(([one, first], [other, second]) => (sorting.down ? -1 : 1) * order(one, other) || first.call.index - second.call.index);
  return keyed.map(([, row]) => row);
}

/** The first rows, and a button for more; `all` of them for paper. */
function showTable({ entries }, { all = false } = {}) {
  const rows = tableRows(entries);
  const number = all ? rows.length : rowsShown;
  const head = element("tr", {}, ...COLUMNS.map(tableHeading));
  const body = element("tbody", {}, ...rows.slice(0, number).map(tableRow));
  const more = rows.length > number
    ? button(`Show ${Math.min(STEP, rows.length - rowsShown)} more of ${grouped(rows.length - rowsShown)}`, () => {
      const next = rowsShown;
      rowsShown += STEP;
      render();
      byId("table").querySelectorAll("tbody tr")[next]?.querySelector("button")?.focus();
    }, { class: "more" })
    : null;
  byId("table").replaceChildren(
    element("p", { class: "tools" },
      element("span", { text: counted(rows.length, "row") + " " }),
      copyButton(() => tableCsv(rows), "the rows as CSV", "Copy as CSV")),
    element("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": "Table of calls" },
      element("table", {}, element("thead", {}, head), body)),
    ...(more ? [more] : []));
  markTable();
}

function tableHeading({ name, title }) {
  const sorted = sorting.column === name;
  const made = element("th", { scope: "col", "aria-sort": sorted ? (sorting.down ? "descending" : "ascending") : "none" },
    button(title + (sorted ? (sorting.down ? " ↓" : " ↑") : ""), () => {
      sorting.down = sorted && !sorting.down;
      sorting.column = name;
      rowsShown = STEP;
      render();
      byId("table").querySelector(`th[aria-sort$="cending"] button`)?.focus();
    }));
  return made;
}

function tableRow(row) {
  const { call } = row;
  const cells = COLUMNS.map((column) => {
    const value = column.of(row);
    if (column.name === "mark") return element("td", { class: call.mark.replace(" ", "-"), text: call.mark ? SIGNS[call.mark] + " " + call.mark : "" });
    if (column.name === "client") return element("td", {}, button(value, (event) => openCall(event, call), { "aria-label": named(call) + ", show evidence" }));
    if (column.name.endsWith("amespace")) {
      const party = column.name === "clientNamespace" ? call.client : call.server;
      return element("td", {}, swatch(groupOf(party)), " ", value);
    }
    if (column.name.endsWith("Seen")) return element("td", { class: "time", text: value.slice(0, 19).replace("T", " ") });
    return element("td", { class: column.number ? "number" : null, text: column.name === "connections" && value ? grouped(value) : String(value) });
  });
  const made = element("tr", { "data-call": call.index }, ...cells);
  made.addEventListener("click", (event) => openCall(event, call));
  return made;
}

function openCall(event, call) {
  event.stopPropagation();
  select({ call: call.index });
}

const tableCsv = (rows) => {
  const columns = [...COLUMNS, ...IN_CSV_ONLY];
  return csvText([columns.map(({ name }) => name), ...rows.map((row) => columns.map(({ of }) => of(row)))]);
};

function markTable() {
  for (const row of byId("table").querySelectorAll("tr[data-call]")) {
    row.classList.toggle("selected", state.selected?.call === Number(row.dataset.call));
  }
}
