// Rows as CSV (RFC 4180, with bare newlines), as `intents list --format csv` writes them.
"use strict";

/** A spreadsheet would take a cell that begins so for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

function csvCell(value) {
  const text = String(value ?? "");
  const safe = FORMULA.test(text) ? "'" + text : text;
  return /[,"\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}

const csvText = (records) => records.map((record) => record.map(csvCell).join(",") + "\n").join("");
