// Program that the actions run, and the environment of a child process.
'use strict';
const { spawnSync } = require('node:child_process');
const { accessSync, constants, copyFileSync, mkdirSync, renameSync, statSync } = require('node:fs');
const { homedir } = require('node:os');
const path = require('node:path');
const { input } = require('./inputs.js');

const NAME = 'handoff-relay';

// Variables that reach no child process but the transfer itself.
const TOKENS = ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN', 'GITHUB_TOKEN'];

// Environment of a child process: without inputs and state of the action, and without tokens unless it is the transfer.
function environment(isTransfer) {
  const kept = ([name]) => !/^(INPUT|STATE)_/.test(name) && (isTransfer || !TOKENS.includes(name));
  return Object.fromEntries(Object.entries(process.env).filter(kept));
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function onPath() {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, NAME)).find(isProgram);
}

// Where a program of this very action is kept. None for a branch or a short tag, because these move.
function keptPath() {
  const ref = process.env.GITHUB_ACTION_REF ?? '';
  const isFixed = /^([0-9a-f]{40}|v\d+\.\d+\.\d+)$/.test(ref);
  return isFixed ? path.join(homedir(), '.cache', 'handoff-action', ref, NAME) : undefined;
}

// Makes the program: cargo builds it from the sources beside this action. The download of a release belongs here, before cargo.
function obtain() {
  const sources = path.dirname(__dirname);
  const target = path.join(process.env.RUNNER_TEMP ?? '/tmp', 'handoff-target');
  const args = ['build', '--release', '--locked', '--package', NAME, '--target-dir', target];
  console.log(`::group::Building ${NAME} with cargo, which takes minutes: no input \`${NAME}\`, none on PATH, none in ~/.cache/handoff-action`);
  const built = spawnSync('cargo', args, { cwd: sources, env: environment(false), stdio: 'inherit' });
  console.log('::endgroup::');
  if (built.error || built.status !== 0) {
    const why = built.error ? built.error.message : `it ended with ${built.status ?? built.signal}`;
    throw new Error(`cargo cannot build ${NAME} (${why}): put ${NAME} on PATH, name it in the input \`${NAME}\`, or install Rust`);
  }
  return path.join(target, 'release', NAME);
}

// Keeps a program for later jobs. The name appears at once, because another step may look for it at the same time.
function keep(made, kept) {
  mkdirSync(path.dirname(kept), { recursive: true });
  const part = `${kept}.${process.pid}`;
  copyFileSync(made, part);
  renameSync(part, kept);
  return kept;
}

// Path of the program: the caller's, one on PATH, a kept one, or a new one.
function findProgram() {
  const there = input(NAME) || onPath();
  if (there) return there;
  const kept = keptPath();
  if (kept && isProgram(kept)) return kept;
  const made = obtain();
  return kept ? keep(made, kept) : made;
}

module.exports = { NAME, environment, findProgram };
