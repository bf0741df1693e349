import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const HERE = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const CLEAN = { PATH: process.env.PATH, NODE_OPTIONS: `--require "${path.join(HERE, 'loopback.cjs')}"` };

async function run(driver, args, env = {}) {
  const child = spawn(process.execPath, [path.join(HERE, driver), ...args], { env: { ...CLEAN, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => { out += chunk; });
  child.stderr.on('data', (chunk) => { err += chunk; });
  const [code] = await once(child, 'close');
  return { code, out, err: err.trimEnd() };
}

function folder(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'handoff-clients-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// Answers every request alike and remembers their paths.
async function service(t, status, body) {
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    request.resume().on('end', () => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}/`, asked };
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const TOKEN = `${part({ typ: 'JWT', alg: 'HS256' })}.${part({ scp: 'Actions.Results:run:job', exp: 4102444800, nbf: 0 })}.sig`;

for (const [args, expected] of [
  [['artifact.mjs'], /^expected one of upload, download, delete, got nothing$/],
  [['artifact.mjs', 'push'], /^expected one of upload, download, delete, got push$/],
  [['artifact.mjs', 'upload', '--name', 'a', '--report', 'r'], /^upload needs --file$/],
  [['artifact.mjs', 'upload', '--name', 'a', '--file', 'f'], /^upload needs --report$/],
  [['artifact.mjs', 'upload', '--name', 'a', '--file', 'f', '--report', 'r', '--level', '10'], /^--level must be a whole number from 0 to 9, got 10$/],
  [['artifact.mjs', 'upload', '--name', 'a', '--file', 'f', '--report', 'r', '--archive', 'no'], /^--archive must be true or false, got no$/],
  [['artifact.mjs', 'upload', '--colour', 'red'], /^Unknown option '--colour'/],
  [['cache.mjs', 'save', '--path', 'p', '--report', 'r'], /^save needs --key$/],
  [['cache.mjs', 'restore', '--key', 'k', '--report', 'r'], /^restore needs --path$/],
]) {
  test(`wrong arguments: ${args.join(' ')}`, async () => {
    const [driver, ...rest] = args;
    const { code, err } = await run(driver, rest);
    assert.equal(code, 2);
    assert.match(err, expected);
    assert.equal(err.split('\n').length, 1);
  });
}

test('a missing variable is named, in the report too', async (t) => {
  const report = path.join(folder(t), 'report.json');
  const { code, err } = await run('cache.mjs', ['restore', '--path', 'p', '--key', 'k', '--report', report], { ACTIONS_RUNTIME_TOKEN: 'x', RUNNER_TEMP: '/tmp' });
  assert.equal(code, 1);
  assert.match(err, /^not set in the environment: ACTIONS_RESULTS_URL, ACTIONS_CACHE_SERVICE_V2 /);
  const written = JSON.parse(fs.readFileSync(report, 'utf8'));
  assert.equal(written.error, err);
  assert.deepEqual(written.client, { name: '@actions/cache', version: '6.3.0' });
  assert.deepEqual(written.spans.map((s) => s.name), ['start']);
});

test('a report that cannot be written is a failure in one line', async () => {
  const { code, err } = await run('artifact.mjs', ['delete', '--name', 'a', '--report', '/nonexistent/report.json']);
  assert.equal(code, 1);
  assert.equal(err.split('\n').length, 1);
});

test('a cache miss is a failure, and the spans show what was asked', async (t) => {
  const dir = folder(t);
  const { url, asked } = await service(t, 200, { ok: false });
  const report = path.join(dir, 'report.json');
  const env = { ACTIONS_RUNTIME_TOKEN: TOKEN, ACTIONS_RESULTS_URL: url, ACTIONS_CACHE_SERVICE_V2: 'true', RUNNER_TEMP: dir, GITHUB_WORKSPACE: dir };
  const { code, err } = await run('cache.mjs', ['restore', '--path', 'p', '--key', 'k', '--report', report], env);
  assert.equal(code, 1);
  assert.equal(err, 'cache miss: k');
  const { spans, requests, failed_requests, error } = JSON.parse(fs.readFileSync(report, 'utf8'));
  assert.equal(error, err);
  assert.deepEqual([requests, failed_requests], [1, 0]);
  assert.deepEqual(asked, ['/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL']);
  assert.deepEqual(spans.map((s) => [s.name, s.detail]).slice(1), [['command', 'restore'], ['resolve', 'GetCacheEntryDownloadURL']]);
  const [start, command, resolve] = spans;
  assert.ok(start.end_ns <= command.start_ns && command.start_ns <= resolve.start_ns && resolve.end_ns <= command.end_ns);
});

test('whoever looks first goes on after a miss: no error, and no key', async (t) => {
  const { url } = await service(t, 200, { ok: false });
  const dir = folder(t);
  const report = path.join(dir, 'report.json');
  const env = { ACTIONS_RUNTIME_TOKEN: TOKEN, ACTIONS_RESULTS_URL: url, ACTIONS_CACHE_SERVICE_V2: 'true', RUNNER_TEMP: dir, GITHUB_WORKSPACE: dir };
  const args = ['restore', '--or-miss', '--path', 'p', '--key', 'k-2', '--restore-key', 'k-', '--report', report];
  const { code } = await run('cache.mjs', args, env);
  const { error, key } = JSON.parse(fs.readFileSync(report, 'utf8'));
  assert.deepEqual([code, error, key], [0, undefined, undefined]);
});

test("a refused save fails with the client's own words; compressing is a span of its own", async (t) => {
  const dir = folder(t);
  fs.writeFileSync(path.join(dir, 'payload'), 'x'.repeat(100_000));
  const { url } = await service(t, 409, { code: 'already_exists', msg: 'taken' });
  const report = path.join(dir, 'report.json');
  const env = { ACTIONS_RUNTIME_TOKEN: TOKEN, ACTIONS_RESULTS_URL: url, ACTIONS_CACHE_SERVICE_V2: 'true', RUNNER_TEMP: dir, GITHUB_WORKSPACE: dir };
  const { code, err } = await run('cache.mjs', ['save', '--path', path.join(dir, 'payload'), '--key', 'k', '--report', report], env);
  assert.equal(code, 1);
  assert.match(err, /^cache k was not saved: Failed to save: Unable to reserve cache with key k/);
  const { spans, failed_requests } = JSON.parse(fs.readFileSync(report, 'utf8'));
  assert.equal(failed_requests, 1);
  const names = spans.map((s) => s.name);
  assert.deepEqual(names, ['start', 'command', 'compress', 'resolve']);
  assert.ok(spans[2].end_ns > spans[2].start_ns && spans[2].end_ns <= spans[3].start_ns, 'tar ends before the service is asked');
});

test('an artifact name that is taken is a failure with the reason', async (t) => {
  const dir = folder(t);
  fs.writeFileSync(path.join(dir, 'image.tar'), 'payload');
  const { url } = await service(t, 409, { code: 'already_exists', msg: 'an artifact with this name already exists' });
  const report = path.join(dir, 'report.json');
  const args = ['upload', '--name', 'a', '--file', path.join(dir, 'image.tar'), '--report', report];
  const { code, err } = await run('artifact.mjs', args, { ACTIONS_RUNTIME_TOKEN: TOKEN, ACTIONS_RESULTS_URL: url });
  assert.equal(code, 1);
  assert.match(err, /already exists/);
  assert.equal(JSON.parse(fs.readFileSync(report, 'utf8')).failed_requests, 1);
});
