import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PRELOAD = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'loopback.cjs');

// Runs a script in a Node of its own that has the preload, as the strategies set it: through NODE_OPTIONS.
function preloaded(script, environment = {}) {
  const env = { ...process.env, ...environment, NODE_OPTIONS: `--require "${PRELOAD}"` };
  const done = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { env, encoding: 'utf8' });
  return { out: done.stdout.trim(), err: done.stderr, code: done.status };
}

const refusedBy = (expression) =>
  preloaded(`
    import dns from 'node:dns'; import net from 'node:net'; import tls from 'node:tls'; import http from 'node:http'; import dgram from 'node:dgram';
    const event = (emitter) => new Promise((resolve, reject) => { emitter.once('error', reject); emitter.once('connect', resolve); emitter.once('secureConnect', resolve); });
    try { await (${expression}); console.log('let through'); } catch (e) { console.log((e.cause ?? e).code); }`);

test('blob names and localhost resolve to this machine by every lookup', () => {
  const { out } = preloaded(`
    import dns, { lookup } from 'node:dns'; import { promisify } from 'node:util'; import { lookup as promised } from 'node:dns/promises';
    const name = 'acct1.blob.core.windows.net';
    console.log(JSON.stringify([await promisify(lookup)(name), await dns.promises.lookup(name), await promised(name, { all: true }), await promised('LOCALHOST')]));`);
  const local = { address: '127.0.0.1', family: 4 };
  assert.deepEqual(JSON.parse(out), [local, local, [local], local]);
});

for (const [what, expression] of Object.entries({
  'dns.lookup': `new Promise((ok, no) => dns.lookup('example.com', (e, a) => (e ? no(e) : ok(a))))`,
  'dns.promises.lookup': `dns.promises.lookup('example.com')`,
  'a name that only begins like a blob host': `dns.promises.lookup('a.blob.core.windows.net.example.com')`,
  'dns.resolve4': `new Promise((ok, no) => dns.resolve4('acct1.blob.core.windows.net', (e, a) => (e ? no(e) : ok(a))))`,
  'dns.promises.Resolver': `new dns.promises.Resolver().resolve4('example.com')`,
  'net.connect by name': `event(net.connect(80, 'example.com'))`,
  'net.connect by address': `event(net.connect(80, '192.0.2.1'))`,
  'net.connect by IPv6 address': `event(net.connect(80, '2001:db8::1'))`,
  'Socket.connect with its own lookup': `event(new net.Socket().connect({ port: 80, host: 'example.com', lookup: (h, o, cb) => cb(null, '192.0.2.1', 4) }))`,
  'tls.connect': `event(tls.connect({ port: 443, host: '192.0.2.1' }))`,
  'http.get': `new Promise((ok, no) => http.get('http://192.0.2.1/', ok).once('error', no))`,
  fetch: `fetch('http://192.0.2.1/')`,
  'fetch with TLS': `fetch('https://example.com/')`,
  'a datagram': `new Promise((ok, no) => dgram.createSocket('udp4').unref().send('x', 9, '192.0.2.1', (e) => (e ? no(e) : ok())))`,
})) {
  test(`refused: ${what}`, () => {
    const { out, err } = refusedBy(expression);
    assert.equal(out, 'ENOTFOUND', err);
    assert.match(err, /loopback preload: refused/);
  });
}

test('requests to a blob name arrive here, from child processes too, whatever proxy is set', async () => {
  const hosts = [];
  const server = http.createServer((request, response) => {
    hosts.push(request.headers.host.split(':')[0]);
    response.end('here');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const ask = (name) => `const a = await fetch('http://${name}.blob.core.windows.net:${port}/'); console.log(await a.text());`;
  const script = `
    import { spawn } from 'node:child_process'; import { once } from 'node:events';
    ${ask('parent')}
    await once(spawn(process.execPath, ['--input-type=module', '--eval', ${JSON.stringify(ask('child'))}], { stdio: 'inherit' }), 'exit');
    console.log(process.env.http_proxy, process.env.HTTPS_PROXY);`;
  const { spawn } = await import('node:child_process');
  const { once } = await import('node:events');
  const env = { ...process.env, NODE_OPTIONS: `--require "${PRELOAD}"`, http_proxy: 'http://192.0.2.1:1', HTTPS_PROXY: 'http://192.0.2.1:1' };
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => { out += chunk; });
  await once(child, 'close');
  server.close();
  assert.equal(out, 'here\nhere\nundefined undefined\n');
  assert.deepEqual(hosts, ['parent.blob.core.windows.net', 'child.blob.core.windows.net']);
});
