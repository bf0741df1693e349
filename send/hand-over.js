// What the actions `send` and `receive` have in common: one run of the program, with its outputs and its end.
//
// They are JavaScript, because the runner gives the job's token to such actions and not to `run:` steps; from here it
// goes into one child process and nowhere else.
'use strict';
const { spawn } = require('node:child_process');
const { appendFileSync, readFileSync } = require('node:fs');
const { InputError, flag, input, options } = require('./inputs.js');
const { NAME, environment, findProgram } = require('./program.js');

// Exit code for a wrong input, which is the program's too.
const WRONG_INPUT = 2;

// Appends a line to a file of the runner, whose path is in a variable.
function record(variable, name, value) {
  if (process.env[variable]) appendFileSync(process.env[variable], `${name}=${value.replace(/\s*[\r\n]+\s*/g, ' ')}\n`);
}

// Last value of an output of this step, as one line has it.
function recorded(name) {
  const text = process.env.GITHUB_OUTPUT ? readFileSync(process.env.GITHUB_OUTPUT, 'utf8') : '';
  return text.split('\n').findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
}

// Reason until there is a better one.
const NOTHING_REPORTED = `${NAME} ended before it reported anything`;

// The last value of an output counts: the program's follow these.
function fail(reason) {
  record('GITHUB_OUTPUT', 'outcome', 'failure');
  record('GITHUB_OUTPUT', 'reason', reason);
}

// Line of the runner's log that becomes an annotation.
function annotate(level, text) {
  const escaped = text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
  console.log(`::${level}::${escaped}`);
}

// Runs the program to its end and gives its exit code, its signal and its last line. Signals of the runner, which cancels
// by SIGINT and SIGTERM, are the program's.
function run(program, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'inherit', 'pipe'] });
    let unfinished = '';
    let last = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      process.stderr.write(text);
      const parts = (unfinished + text).split('\n');
      unfinished = parts.pop();
      last = parts.findLast((line) => line.trim() !== '') ?? last;
    });
    const pass = (signal) => child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, pass);
    child.on('error', (error) => reject(new Error(`${NAME} does not start: ${error.message} (see the input \`${NAME}\`)`)));
    child.on('close', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM']) process.off(name, pass);
      const line = (unfinished.trim() || last).trim();
      resolve({ code: code ?? 1, signal, last: line.replace(/^error: /, '') });
    });
  });
}

// Runs `send` or `receive` with the arguments that `argumentsOf` makes of the inputs; `starts` gets the program's path before.
async function transfer(verb, argumentsOf, starts) {
  const args = argumentsOf();
  const program = findProgram();
  starts?.(program);
  const env = environment(true);
  // The token of the inputs is for one question, whether the producing job has failed.
  if (input('wait') && input('token')) env.GITHUB_TOKEN = input('token');
  const summary = process.env.GITHUB_STEP_SUMMARY ? [`--summary=${process.env.GITHUB_STEP_SUMMARY}`] : [];
  const outputs = process.env.GITHUB_OUTPUT ? ['--outputs'] : [];
  const all = [verb, ...options('name', 'store', 'connections', 'part'), ...outputs, ...summary, ...args];
  const ended = await run(program, all, env);
  if (ended.signal) fail(`${NAME} was ended by ${ended.signal}`);
  else if (ended.code === 0) record('GITHUB_OUTPUT', 'reason', '');
  else if (recorded('reason') === NOTHING_REPORTED && ended.last) fail(ended.last);
  return ended;
}

// One run of the action. A failure ends it in red, unless the workflow asks for green and looks at the output `outcome`: a
// wrong input and a cancelled job stay red, because no later step mends these.
async function handOver(verb, argumentsOf, starts) {
  let ended;
  let isGreen = false;
  // Also what is left if this very process is killed.
  fail(NOTHING_REPORTED);
  try {
    isGreen = flag('continue-on-failure');
    ended = await transfer(verb, argumentsOf, starts);
  } catch (error) {
    fail(error.message);
    ended = { code: error instanceof InputError ? WRONG_INPUT : 1, last: error.message };
  }
  if (ended.code === 0) return;
  const isCancelled = ended.signal || ended.code === 130;
  const goesOn = isGreen && !isCancelled && ended.code !== WRONG_INPUT;
  const reason = recorded('reason') || ended.last || `${NAME} ended with ${ended.signal ?? ended.code}`;
  annotate(goesOn ? 'warning' : 'error', `handoff ${verb}: ${reason}`);
  process.exitCode = goesOn ? 0 : ended.code;
}

module.exports = { annotate, handOver, record, run };
