// Checks a JSON document against a JSON schema, and prints one line a fault: node schema.mjs SCHEMA DOCUMENT (or - for stdin).
import { readFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";

const [schema, document] = process.argv.slice(2);
if (!schema || !document) {
  console.error("name a schema and a document");
  process.exit(2);
}
const read = (name) => JSON.parse(readFileSync(name === "-" ? 0 : name, "utf8"));
const validate = new Ajv({ allErrors: true, strict: false }).compile(read(schema));
if (!validate(read(document))) {
  for (const e of validate.errors.slice(0, 20)) console.log(`${e.instancePath || "/"}: ${e.message} ${JSON.stringify(e.params)}`);
  process.exit(1);
}
