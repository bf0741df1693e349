// Preload (`node --require loopback.cjs`, or NODE_OPTIONS so that child processes have it too): no request of this
// process can leave the machine, and names under .blob.core.windows.net mean this machine.
//
// Why: GitHub's cache client takes its parallel path only when the blob host ends in that suffix. Mapping the name
// inside the client's own process makes it take that path against a service on loopback, without editing the
// machine's hosts file; refusing everything else makes sure that a mistake in the mapping cannot reach the real host.
'use strict';

const dns = require('node:dns');
const dgram = require('node:dgram');
const net = require('node:net');
const { syncBuiltinESMExports } = require('node:module');
const { promisify } = require('node:util');

const BLOB_SUFFIX = '.blob.core.windows.net';

// A proxy would carry requests off the machine whatever this file resolves; child processes inherit the removal.
for (const name of Object.keys(process.env)) {
  if (/^(https?|all|ftp|no)_proxy$/i.test(name)) delete process.env[name];
}

function isLoopbackIp(host) {
  if (net.isIPv4(host)) return host.startsWith('127.');
  if (!net.isIPv6(host)) return false;
  const bare = host.toLowerCase();
  return bare === '::1' || bare === '0:0:0:0:0:0:0:1' || /^::ffff:127\.\d+\.\d+\.\d+$/.test(bare);
}

function isLocalName(host) {
  const name = host.toLowerCase().replace(/\.$/, '');
  return name === 'localhost' || name.endsWith('.localhost') || name.endsWith(BLOB_SUFFIX);
}

// ENOTFOUND is among the codes that the clients take as final: a refusal fails at once instead of being retried.
function refusal(what) {
  const error = new Error(`loopback preload: refused ${what}: only this machine and *${BLOB_SUFFIX} (mapped to it) are allowed`);
  error.code = 'ENOTFOUND';
  process._rawDebug(error.message);
  return error;
}

// Answers without asking any resolver. Returns { address, family }; throws the refusal.
function answer(hostname, family) {
  const host = String(hostname ?? '');
  if (net.isIP(host)) {
    if (!isLoopbackIp(host)) throw refusal(`address ${host}`);
    return { address: host, family: net.isIP(host) };
  }
  if (!isLocalName(host)) throw refusal(`name ${JSON.stringify(host)}`);
  return family === 6 || family === 'IPv6' ? { address: '::1', family: 6 } : { address: '127.0.0.1', family: 4 };
}

function lookup(hostname, options, callback) {
  if (typeof options === 'function') [options, callback] = [{}, options];
  if (typeof options === 'number') options = { family: options };
  let found;
  try {
    found = answer(hostname, options?.family);
  } catch (error) {
    process.nextTick(callback, error);
    return;
  }
  if (options?.all) process.nextTick(callback, null, [found]);
  else process.nextTick(callback, null, found.address, found.family);
}

async function lookupPromise(hostname, options) {
  if (typeof options === 'number') options = { family: options };
  const found = answer(hostname, options?.family);
  return options?.all ? [found] : found;
}

// `util.promisify(dns.lookup)` gives an object, as with the original.
lookup[promisify.custom] = lookupPromise;

dns.lookup = lookup;
dns.promises.lookup = lookupPromise;

// The other functions of dns send packets of their own to a name server.
const asks = (name) => /^(resolve|reverse|lookupService)/.test(name);
function refuseQueries(target, viaPromise) {
  for (const name of Object.getOwnPropertyNames(target)) {
    if (!asks(name) || typeof target[name] !== 'function') continue;
    target[name] = viaPromise
      ? async (what) => { throw refusal(`dns ${name} ${what}`); }
      : (what, ...rest) => process.nextTick(rest.at(-1), refusal(`dns ${name} ${what}`));
  }
}
refuseQueries(dns, false);
refuseQueries(dns.promises, true);
refuseQueries(dns.Resolver.prototype, false);
refuseQueries(Object.getPrototypeOf(dns.Resolver.prototype), false);
refuseQueries(dns.promises.Resolver.prototype, true);
refuseQueries(Object.getPrototypeOf(dns.promises.Resolver.prototype), true);

// Every TCP connection goes through here, TLS and fetch included. A lookup function of the caller is replaced.
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const normalized = Array.isArray(args[0]) ? args[0] : net._normalizeArgs(args);
  const options = normalized[0];
  if (options.path == null) {
    const host = options.host || 'localhost';
    try {
      answer(host);
    } catch (error) {
      process.nextTick(() => this.destroy(error));
      return this;
    }
    normalized[0] = { ...options, host, lookup };
  }
  return connect.call(this, normalized);
};

// No client speaks UDP, and a datagram needs no connection that could be checked: there is none.
for (const name of ['send', 'connect']) {
  dgram.Socket.prototype[name] = () => { throw refusal(`a datagram socket (${name})`); };
}

syncBuiltinESMExports();
