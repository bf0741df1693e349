// Where the actions find their program: input, PATH, kept program, cargo.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { job } from './kit.mjs';

const COMMIT = 'a'.repeat(40);
const IMAGE = { image: 'app:ci' };

// Stand-in of cargo: keeps its environment, and copies the program of `bin` to where a build leaves it.
const CARGO = `#!${process.execPath}
const fs = require('node:fs');
const target = process.argv[process.argv.indexOf('--target-dir') + 1];
fs.writeFileSync(process.env.CALLS + '.cargo', JSON.stringify({ args: process.argv.slice(2), env: process.env }));
fs.mkdirSync(target + '/release', { recursive: true });
fs.copyFileSync(process.env.BUILT, target + '/release/handoff-relay');
`;

const file = ({ calls }) => calls[0].file;

test('the program of the input is before that on PATH', async (t) => {
  const { run, install } = job(t);
  const given = path.join(install('given'), 'handoff-relay');
  assert.equal(file(await run('send/main.js', { ...IMAGE, 'handoff-relay': given })), given);
});

test('a program of the input that is not there is an error and not another program', async (t) => {
  const { run } = job(t);
  const { code, log, calls } = await run('send/main.js', { ...IMAGE, 'handoff-relay': '/no/such/program' });
  assert.equal(code, 1);
  assert.match(log, /^::error::handoff send: handoff-relay does not start: .*\/no\/such\/program ENOENT \(see the input `handoff-relay`\)$/m);
  assert.deepEqual(calls, []);
});

test('the first program on PATH that can be executed is taken', async (t) => {
  const { run, install, file: at } = job(t);
  const plain = install('plain', 'handoff-relay', 'no program');
  fs.chmodSync(path.join(plain, 'handoff-relay'), 0o644);
  fs.mkdirSync(at('folder/handoff-relay'), { recursive: true });
  const PATH = [plain, at('folder'), install('other'), install('bin')].join(':');
  assert.equal(file(await run('send/main.js', IMAGE, { PATH })), at('other/handoff-relay'));
});

test('a kept program of this very commit or release is taken, and none of a branch', async (t) => {
  for (const ref of [COMMIT, 'v1.2.3']) {
    const { run, install, file: at } = job(t);
    install(`home/.cache/handoff-action/${ref}`);
    const ended = await run('send/main.js', IMAGE, { PATH: at('nothing'), GITHUB_ACTION_REF: ref });
    assert.equal(file(ended), at(`home/.cache/handoff-action/${ref}/handoff-relay`));
  }
  for (const ref of ['main', 'v1', '../../x', '']) {
    const { run, install, file: at } = job(t);
    install(path.join('home/.cache/handoff-action', ref));
    const { code, log, calls } = await run('send/main.js', IMAGE, { PATH: at('nothing'), GITHUB_ACTION_REF: ref });
    assert.deepEqual([code, calls], [1, []], ref);
    assert.match(log, /::error::handoff send: cargo cannot build handoff-relay \(.*\): put handoff-relay on PATH, name it in the input/);
  }
});

test('cargo builds the program without the job\'s tokens, and the next job takes the kept one', async (t) => {
  const { run, install, file: at } = job(t);
  const PATH = install('cargo', 'cargo', CARGO);
  const more = { PATH, BUILT: path.join(install('bin'), 'handoff-relay'), GITHUB_ACTION_REF: COMMIT, GITHUB_TOKEN: 'secret', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'secret' };
  const first = await run('send/main.js', { ...IMAGE, token: 'secret' }, more);
  const kept = at(`home/.cache/handoff-action/${COMMIT}/handoff-relay`);
  assert.equal(file(first), kept);
  assert.match(first.log, /::group::Building handoff-relay with cargo, which takes minutes/);
  const built = JSON.parse(fs.readFileSync(at('calls.cargo'), 'utf8'));
  assert.deepEqual(built.args.slice(0, 5), ['build', '--release', '--locked', '--package', 'handoff-relay']);
  assert.ok(!JSON.stringify(built).includes('secret'), JSON.stringify(built));
  assert.deepEqual(fs.readdirSync(path.dirname(kept)), ['handoff-relay']);
  fs.rmSync(at('calls.cargo'));
  const again = await run('receive/main.js', {}, more);
  assert.equal(again.calls[1].file, kept);
  assert.ok(!fs.existsSync(at('calls.cargo')), 'it was built again');
});

test('a program of a branch is built and not kept', async (t) => {
  const { run, install, file: at } = job(t);
  const more = { PATH: install('cargo', 'cargo', CARGO), BUILT: path.join(install('bin'), 'handoff-relay'), GITHUB_ACTION_REF: 'main' };
  assert.equal(file(await run('send/main.js', IMAGE, more)), at('temp/handoff-target/release/handoff-relay'));
  assert.ok(!fs.existsSync(at('home/.cache')));
});
