// Generate the types of the API: node scripts/generate.mjs OPENAPI_JSON OUTPUT_TS
//
// @hey-api/openapi-ts names each type, makes half of the text that openapi-typescript does (118
// against 241 KB, before what is left out below), and is maintained. 0.95.0 is its last version
// for Node 20; it needs the compiler's API, which TypeScript 7 does not have yet.

import { createClient } from "@hey-api/openapi-ts";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [input, output] = process.argv.slice(2);
if (!input || !output) throw new Error("usage: generate.mjs OPENAPI_JSON OUTPUT_TS");

// An objective computes with parameters: which is a number, only the study's search space says.
const PARAMS = `/** Values of parameters by name: numbers, texts, booleans. */
export type Params = { [name: string]: any };
`;
const withParams = (types) =>
  types.replace(/(params\??): \{\s*\[key: string\]: unknown;\s*\}/g, "$1: Params") + "\n" + PARAMS;

const document = JSON.parse(readFileSync(input, "utf8"));
// Every error is a `Problem`: repeated for each operation they would be half of the file.
for (const operations of Object.values(document.paths)) {
  for (const { responses } of Object.values(operations)) {
    for (const status of Object.keys(responses)) if (status >= "300") delete responses[status];
  }
}

const folder = mkdtempSync(join(tmpdir(), "openapi-"));
try {
  await createClient({
    input: document,
    output: { path: folder, entryFile: false },
    parser: { transforms: { readWrite: { enabled: false } } },
    plugins: ["@hey-api/typescript"],
    logs: { level: "silent" },
  });
  writeFileSync(output, withParams(readFileSync(join(folder, "types.gen.ts"), "utf8")));
} finally {
  rmSync(folder, { recursive: true });
}
