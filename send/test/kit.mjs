// Steps of a job as the runner starts them, with a program that writes down how it was called.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');

// Stand-in of handoff-relay: keeps its arguments and environment, then does what the variable FAKE says.
const FAKE = `#!${process.execPath}
const fs = require('node:fs');
const call = { file: __filename, args: process.argv.slice(2), env: process.env };
fs.appendFileSync(process.env.CALLS, JSON.stringify(call) + '\\n');
const output = (text) => process.argv.includes('--outputs') && fs.appendFileSync(process.env.GITHUB_OUTPUT, text);
const [what, detail] = (process.env.FAKE ?? 'success').split(':');
if (what === 'success') {
  output('outcome=success\\nreason=\\nimage=app:ci\\ndigest=sha256:1\\nimages=[{"image":"app:ci","digest":"sha256:1"}]\\nbytes=7\\nseconds=1.5\\n');
  console.log('app:ci sha256:1');
} else if (what === 'fails') {
  output('outcome=' + (detail === '124' ? 'timeout' : 'failure') + '\\nreason=no such image\\n');
  console.error('error: no such image');
  process.exitCode = Number(detail);
} else if (what === 'usage') {
  console.error('error: unexpected argument 100%');
  process.exitCode = 2;
} else if (what === 'killed') {
  process.kill(process.pid, 'SIGKILL');
} else if (what === 'waits') {
  process.on('SIGINT', () => { fs.appendFileSync(process.env.CALLS, '"interrupted"\\n'); process.exit(130); });
  setInterval(() => {}, 1000);
  console.error('waiting');
}
`;

export function job(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'handoff-actions-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const file = (name) => path.join(dir, name);
  const read = (name) => (fs.existsSync(file(name)) ? fs.readFileSync(file(name), 'utf8') : '');
  // Program of a name in a folder of the job: the stand-in, or another script.
  const install = (folder, name = 'handoff-relay', script = FAKE) => {
    fs.mkdirSync(file(folder), { recursive: true });
    fs.writeFileSync(path.join(file(folder), name), script, { mode: 0o755 });
    return file(folder);
  };
  const values = (text) => Object.fromEntries(text.split('\n').filter(Boolean).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

  // Inputs that are not given have the action's defaults, and post steps the state of what ran before.
  function start(script, inputs = {}, more = {}) {
    const given = Object.entries({ ...defaults(path.dirname(script)), ...inputs }).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    const state = Object.entries(values(read('state'))).map(([name, value]) => [`STATE_${name}`, value]);
    const env = {
      PATH: install('bin'),
      HOME: file('home'),
      RUNNER_TEMP: file('temp'),
      GITHUB_OUTPUT: file('output'),
      GITHUB_STATE: file('state'),
      GITHUB_STEP_SUMMARY: file('summary'),
      ACTIONS_RUNTIME_TOKEN: 'runtime-secret',
      CALLS: file('calls'),
      ...Object.fromEntries([...given, ...state]),
      ...more,
    };
    for (const name of ['output', 'state']) fs.appendFileSync(file(name), '');
    const child = spawn(process.execPath, [path.join(ROOT, script)], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { log += text; });
    const end = once(child, 'close').then(([code]) => ({ code, log, outputs: values(read('output')), calls: calls() }));
    return { child, end, says: (text) => until(() => log.includes(text)) };
  }
  const calls = () => read('calls').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  return { file, read, install, start, run: (...args) => start(...args).end };
}

async function until(holds) {
  while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 10); });
}

// Defaults of an action's inputs, which the runner gives where a workflow has none.
export function defaults(folder) {
  const text = fs.readFileSync(path.join(ROOT, folder, 'action.yml'), 'utf8');
  const all = [...text.split('\noutputs:')[0].matchAll(/^ {2}([\w-]+):\n {4}description: .*\n {4}default: (.*)$/gm)];
  const plain = (value) => (value.includes('${{') ? 'job-secret' : value.replace(/^'(.*)'$/, '$1'));
  return Object.fromEntries(all.map(([, name, value]) => [name, plain(value)]));
}

// Every input that an action declares.
export function inputs(folder) {
  const text = fs.readFileSync(path.join(ROOT, folder, 'action.yml'), 'utf8');
  return [...text.split('\noutputs:')[0].matchAll(/^ {2}([\w-]+):$/gm)].map(([, name]) => name);
}
