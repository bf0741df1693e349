// What the actions `send` and `receive` have in common.
//
// They are JavaScript, because the runner gives the job's token to such actions and not to `run:` steps; from here it
// goes into one child process and nowhere else.
'use strict';
const { spawnSync } = require('node:child_process');
const { copyFileSync, existsSync, mkdirSync } = require('node:fs');
const { homedir } = require('node:os');
const path = require('node:path');

function input(name) {
  return (process.env[`INPUT_${name.toUpperCase()}`] ?? '').trim();
}

// Inputs as options of the program, those that say something.
function options(...names) {
  return names.flatMap((name) => (input(name) ? [`--${name}`, input(name)] : []));
}

// The program: the caller's, one that was kept, or one built from the sources beside this action.
function program() {
  if (input('handoff')) return input('handoff');
  const ref = process.env.GITHUB_ACTION_REF ?? '';
  const kept = path.join(homedir(), '.cache', 'handoff-action', ref, 'handoff');
  // A branch or tag may have moved on since; a commit cannot.
  const commit = /^[0-9a-f]{40}$/.test(ref);
  if (commit && existsSync(kept)) return kept;
  const sources = path.dirname(__dirname);
  const target = path.join(process.env.RUNNER_TEMP ?? '/tmp', 'handoff-target');
  const args = ['build', '--release', '--locked', '--package', 'handoff-cli', '--target-dir', target];
  const built = spawnSync('cargo', args, { cwd: sources, stdio: 'inherit' });
  if (built.error || built.status !== 0) {
    throw new Error('handoff could not be built with cargo: install Rust, or name a program in the input `handoff`');
  }
  const made = path.join(target, 'release', 'handoff');
  if (!commit) return made;
  mkdirSync(path.dirname(kept), { recursive: true });
  copyFileSync(made, kept);
  return kept;
}

// Runs one end to its end; gives what it printed.
function handOver(verb, args) {
  const common = options('connections', 'part');
  const all = [verb, ...args, '--name', input('name') || 'image', '--store', input('store') || 'artifact', ...common];
  const ended = spawnSync(program(), all, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (ended.error) throw new Error(`handoff does not start: ${ended.error.message} (see the input \`handoff\`)`);
  if (ended.status !== 0) {
    console.log(`::error::handoff ${verb} failed, its last line says why`);
    process.exitCode = ended.status ?? 1;
    return '';
  }
  return ended.stdout.trim();
}

module.exports = { handOver, input, options };
