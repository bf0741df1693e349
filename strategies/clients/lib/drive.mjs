// What both drivers share: arguments, the report, exit codes. 0 done, 1 the call failed, 2 wrong arguments.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { now, Observer, span } from './observe.mjs';
import { listen, oneLine } from './reason.mjs';

/** Wrong arguments; the message says what is expected. */
export class UsageError extends Error {}

/**
 * Runs one verb of a driver.
 * `verbs[verb]` is { options, required, environment, check, call }: `check(values)`, where there is one, throws
 * UsageError or gives the parsed values; `call(client, values, checked)` returns what goes into the report besides
 * spans (bytes, id, digest, key) and throws when the client failed or said so in its result.
 */
export async function drive(packageName, verbs, argv) {
  let parsed;
  try {
    parsed = parse(verbs, argv);
  } catch (error) {
    process._rawDebug(oneLine(error.message));
    return 2;
  }
  // The process began before any line of ours ran: reading Node and the client is "start", not transfer.
  const began = now() - BigInt(Math.round(performance.now() * 1e6));
  const observer = new Observer();
  const complaint = listen();
  const report = { client: { name: packageName, version: versionOf(packageName) }, node: process.version, spans: [], bytes: 0 };
  let called = null;
  // A client that stops without an answer leaves nothing to wait for: Node ends, and the report must still say so.
  const unanswered = () => {
    report.error = `${packageName} stopped without an answer`;
    process.exitCode = finish(report, { parsed, packageName, observer, began, called, ended: now() });
  };
  process.once('exit', unanswered);
  try {
    requireEnvironment(parsed.environment);
    const client = await import(packageName);
    called = now();
    Object.assign(report, await parsed.call(client, parsed.values, parsed.checked));
  } catch (error) {
    const said = complaint();
    const text = oneLine(error?.message ?? error);
    report.error = said && !text.includes(said) ? `${text}: ${said}` : text;
  }
  const ended = now();
  process.off('exit', unanswered);
  return finish(report, { parsed, packageName, observer, began, called, ended });
}

// The clients read these; saying which one is missing beats the error that each of them would make of it.
function requireEnvironment(names) {
  const missing = names.filter((name) => !process.env[name]);
  if (missing.length > 0) throw new Error(`not set in the environment: ${missing.join(', ')} (\`handoff serve\` prints them)`);
}

function finish(report, { parsed, packageName, observer, began, called, ended }) {
  const seen = observer.summary();
  report.bytes = report.bytes || seen.bytes.up || seen.bytes.down;
  report.requests = seen.requests;
  report.failed_requests = seen.failed_requests;
  report.spans = [
    span('start', `node and ${packageName}`, began, called ?? ended, null),
    ...(called === null ? [] : [span('command', parsed.verb, called, ended, report.bytes)]),
    ...seen.spans,
  ];
  try {
    write(parsed.values.report, report);
  } catch (error) {
    report.error ??= `report not written: ${oneLine(error.message)}`;
  }
  if (report.error) process._rawDebug(report.error);
  return report.error ? 1 : 0;
}

function parse(verbs, argv) {
  const [verb, ...rest] = argv;
  const known = Object.keys(verbs);
  if (!known.includes(verb)) throw new UsageError(`expected one of ${known.join(', ')}, got ${verb ?? 'nothing'}`);
  const { options, required, check, environment, call } = verbs[verb];
  const { values } = parseArgs({ args: rest, options: { ...options, report: { type: 'string' } }, strict: true, allowPositionals: false });
  for (const name of [...required, 'report']) {
    if (values[name] === undefined) throw new UsageError(`${verb} needs --${name}`);
  }
  return { verb, values, environment, call, checked: check?.(values) };
}

/** A whole number argument within bounds. */
export function integer(values, name, least, most) {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most) throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, got ${text}`);
  return number;
}

// The packages do not export their package.json: it is found next to the folder of the entry point.
function versionOf(packageName) {
  const here = path.dirname(createRequire(import.meta.url).resolve('../package.json'));
  return JSON.parse(fs.readFileSync(path.join(here, 'node_modules', packageName, 'package.json'), 'utf8')).version;
}

// Whole or not at all: a reader never sees half a report.
function write(file, report) {
  const part = `${file}.part`;
  fs.writeFileSync(part, `${JSON.stringify(report, null, 2)}\n`);
  fs.renameSync(part, file);
}
