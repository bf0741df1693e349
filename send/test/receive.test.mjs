import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inputs, job } from './kit.mjs';

const plain = (args) => args.filter((arg) => !arg.startsWith('--summary'));

test('an image is received with the defaults, without a digest to compare and without a token', async (t) => {
  const { run, read } = job(t);
  const { code, calls } = await run('receive/main.js');
  assert.equal(code, 0);
  assert.deepEqual(plain(calls[0].args), [
    'receive', '--name=image', '--store=artifact', '--connections=0', '--part=4', '--outputs', '--import=auto',
  ]);
  assert.equal(calls[0].env.GITHUB_TOKEN, undefined);
  assert.equal(read('state'), '');
});

test('every input of receive reaches the program', async (t) => {
  const values = {
    name: 'n', digest: 'sha256:1,sha256:2', tag: 'mine:1', import: 'require', 'store-switch': 'force', 'restart-command': '--restart now', wait: '10m', producer: 'build (1)',
    delete: 'true', store: 'cache', connections: '8', part: '2', 'continue-on-failure': 'true', token: 'job-secret', 'handoff-relay': '',
  };
  assert.deepEqual(Object.keys(values).sort(), inputs('receive').sort(), 'an input without a test');
  const { run } = job(t);
  const { calls, log } = await run('receive/main.js', values);
  assert.deepEqual(plain(calls[0].args), [
    'receive', '--name=n', '--store=cache', '--connections=8', '--part=2', '--outputs', '--tag=mine:1', '--import=require', '--wait=10m',
    '--producer=build (1)', '--restart-command=--restart now', '--digest=sha256:1,sha256:2', '--store-switch=force', '--delete',
  ]);
  assert.equal(calls[0].env.GITHUB_TOKEN, 'job-secret');
  assert.ok(!JSON.stringify(calls[0].args).includes('secret') && !log.includes('secret'));
});

test('digests on lines are one list', async (t) => {
  const { run } = job(t);
  const { calls } = await run('receive/main.js', { digest: 'sha256:1\nsha256:2\n' });
  assert.ok(calls[0].args.includes('--digest=sha256:1,sha256:2'));
});

test('a digest that did not arrive fails, and never switches the check off', async (t) => {
  for (const [goesOn, expected] of [['false', 1], ['true', 0]]) {
    const { run } = job(t);
    const { code, calls, outputs } = await run('receive/main.js', { digest: '', 'continue-on-failure': goesOn });
    assert.equal(code, expected);
    assert.deepEqual(calls, []);
    assert.equal(outputs.outcome, 'failure');
    assert.match(outputs.reason, /the input `digest` is empty/);
  }
});

test('a wait that ends is a timeout', async (t) => {
  const { run } = job(t);
  const red = await run('receive/main.js', { wait: '1s' }, { FAKE: 'fails:124' });
  assert.equal(red.code, 124);
  assert.equal(red.outputs.outcome, 'timeout');
  const green = await run('receive/main.js', { wait: '1s', 'continue-on-failure': 'true' }, { FAKE: 'fails:124' });
  assert.equal(green.code, 0);
  assert.equal(green.outputs.outcome, 'timeout');
});

test('a wrong store-switch is named before anything starts', async (t) => {
  const { run } = job(t);
  const { code, log, calls } = await run('receive/main.js', { 'store-switch': 'yes', 'continue-on-failure': 'true' });
  assert.equal(code, 2);
  assert.match(log, /the input `store-switch` is `yes`: use false, true or force/);
  assert.deepEqual(calls, []);
});

test('the post step gives the store back, without any token', async (t) => {
  const { run, file } = job(t);
  const given = { 'store-switch': 'true', 'restart-command': 'service docker restart', token: 'job-secret' };
  await run('receive/main.js', given);
  const { code, calls } = await run('receive/post.js', given, { GITHUB_TOKEN: 'job-secret' });
  assert.equal(code, 0);
  assert.ok(calls[0].args.includes('--store-switch'));
  assert.equal(calls[1].file, file('bin/handoff-relay'));
  assert.deepEqual(calls[1].args, ['restore-store', '--restart-command=service docker restart']);
  assert.ok(!JSON.stringify(calls[1].env).includes('secret'));
});

test('the post step gives the store back after a failed and after a killed receive', async (t) => {
  for (const fake of ['fails:4', 'killed']) {
    const { run } = job(t);
    await run('receive/main.js', { 'store-switch': 'force' }, { FAKE: fake });
    const { calls } = await run('receive/post.js', { 'store-switch': 'force' });
    assert.deepEqual(calls[1].args, ['restore-store'], fake);
  }
});

test('the post step does nothing where no switch was asked for', async (t) => {
  const { run } = job(t);
  await run('receive/main.js');
  const { code, calls, log } = await run('receive/post.js');
  assert.deepEqual([code, calls.length, log], [0, 1, '']);
});

test('a store that is not given back is an error', async (t) => {
  const { run } = job(t);
  await run('receive/main.js', { 'store-switch': 'true' });
  const { code, log } = await run('receive/post.js', { 'store-switch': 'true' }, { FAKE: 'fails:4' });
  assert.equal(code, 1);
  assert.match(log, /^::error::handoff restore-store: no such image; run `handoff-relay restore-store` on this machine$/m);
});
