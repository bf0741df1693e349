import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { inputs, job } from './kit.mjs';

const COMMON = ['--name=image', '--store=artifact', '--connections=0', '--part=4', '--outputs'];

test('an image alone is sent with the defaults', async (t) => {
  const { run, file } = job(t);
  const { code, calls, outputs } = await run('send/main.js', { image: 'app:ci' });
  assert.equal(code, 0);
  assert.deepEqual(calls[0].args, ['send', ...COMMON, `--summary=${file('summary')}`, '--encoding=none', '--', 'app:ci']);
  const images = '[{"image":"app:ci","digest":"sha256:1"}]';
  assert.deepEqual(outputs, { outcome: 'success', reason: '', image: 'app:ci', digest: 'sha256:1', images, bytes: '7', seconds: '1.5' });
});

test('every input of send reaches the program, and only what is set', async (t) => {
  const values = {
    image: 'app:ci\n\n  web:ci  \n', context: 'app', file: 'app/Dockerfile', 'build-args': 'A=1 2\nB=--c\n', target: 'prod', builder: 'b1',
    compression: 'gzip', level: '3', encoding: 'zstd', name: 'n', store: 'cache', 'retention-days': '2', connections: '8', part: '2',
    'continue-on-failure': 'false', 'handoff-relay': '',
  };
  assert.deepEqual(Object.keys(values).sort(), inputs('send').sort(), 'an input without a test');
  const { run } = job(t);
  const { calls } = await run('send/main.js', values);
  const args = calls[0].args.filter((arg) => !arg.startsWith('--summary'));
  assert.deepEqual(args, [
    'send', '--name=n', '--store=cache', '--connections=8', '--part=2', '--outputs', '--context=app', '--file=app/Dockerfile',
    '--compression=gzip', '--level=3', '--target=prod', '--builder=b1', '--build-arg=A=1 2', '--build-arg=B=--c', '--encoding=zstd',
    '--retention-days=2', '--', 'app:ci', 'web:ci',
  ]);
});

test('an image that looks like an option is an image', async (t) => {
  const { run } = job(t);
  const { calls } = await run('send/main.js', { image: '--delete' });
  assert.deepEqual(calls[0].args.slice(-2), ['--', '--delete']);
});

test('no image is one line that names the input', async (t) => {
  const { run } = job(t);
  const { code, log, outputs, calls } = await run('send/main.js', { image: ' \n' });
  assert.equal(code, 2);
  assert.match(log, /^::error::handoff send: the input `image` is empty: .*\n$/);
  assert.equal(outputs.outcome, 'failure');
  assert.match(outputs.reason, /`image` is empty/);
  assert.deepEqual(calls, []);
});

test('a failure is red and has outputs', async (t) => {
  const { run } = job(t);
  const { code, log, outputs } = await run('send/main.js', { image: 'app:ci' }, { FAKE: 'fails:4' });
  assert.equal(code, 4);
  assert.match(log, /^error: no such image$/m);
  assert.match(log, /^::error::handoff send: no such image$/m);
  assert.deepEqual(outputs, { outcome: 'failure', reason: 'no such image' });
});

test('a failure is green with a warning where the workflow goes on', async (t) => {
  const { run } = job(t);
  const { code, log, outputs } = await run('send/main.js', { image: 'app:ci', 'continue-on-failure': 'true' }, { FAKE: 'fails:4' });
  assert.equal(code, 0);
  assert.match(log, /^::warning::handoff send: no such image$/m);
  assert.equal(outputs.outcome, 'failure');
});

test('a wrong input and a killed program are red even where the workflow goes on', async (t) => {
  for (const [fake, code, reason] of [['usage', 2, 'unexpected argument 100%'], ['killed', 1, 'handoff-relay was ended by SIGKILL']]) {
    const { run } = job(t);
    const ended = await run('send/main.js', { image: 'app:ci', 'continue-on-failure': 'true' }, { FAKE: fake });
    assert.equal(ended.code, code, fake);
    assert.equal(ended.outputs.outcome, 'failure');
    assert.equal(ended.outputs.reason, reason);
    assert.ok(ended.log.includes(`::error::handoff send: ${reason.replace('%', '%25')}\n`), ended.log);
  }
});

test('a flag that is neither true nor false is named', async (t) => {
  const { run } = job(t);
  const { code, log } = await run('send/main.js', { image: 'app:ci', 'continue-on-failure': 'yes' });
  assert.equal(code, 2);
  assert.match(log, /the input `continue-on-failure` is `yes`: use true or false/);
});

test('the token is in the environment of the transfer, and in no argument and no line', async (t) => {
  const { run, file, read } = job(t);
  const { calls, log } = await run('send/main.js', { image: 'app:ci' }, { FAKE: 'fails:4' });
  assert.equal(calls[0].env.ACTIONS_RUNTIME_TOKEN, 'runtime-secret');
  assert.ok(!JSON.stringify(calls[0].args).includes('secret') && !log.includes('secret') && !read('output').includes('secret'));
  assert.deepEqual(Object.keys(calls[0].env).filter((name) => name.startsWith('INPUT_')), []);
  assert.ok(!fs.existsSync(file('state')) || read('state') === '');
});

test('a cancelled send interrupts the program and waits for it', async (t) => {
  const { start } = job(t);
  const step = start('send/main.js', { image: 'app:ci', 'continue-on-failure': 'true' }, { FAKE: 'waits' });
  await step.says('waiting');
  step.child.kill('SIGINT');
  const { code, calls, outputs } = await step.end;
  assert.equal(code, 130);
  assert.equal(calls.at(-1), 'interrupted');
  assert.equal(outputs.outcome, 'failure');
});
