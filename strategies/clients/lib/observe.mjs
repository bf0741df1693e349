// Watches a client from outside: when its HTTP requests and its tar processes start and end, and how many bytes they
// name. Nothing that passes through is altered; arguments and results are handed on as they are.
//
// `http.request` is wrapped because Node's own diagnostics channel announces a request only once its body has been
// written, which would make an upload look as if it took no time.
import diagnostics from 'node:diagnostics_channel';
import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';

/** Nanoseconds of CLOCK_MONOTONIC: one clock for all processes of a machine. */
export const now = () => process.hrtime.bigint();

/** Collects what the clients do from the moment it is made. Make it before a client is imported. */
export class Observer {
  constructor() {
    this.requests = [];
    this.processes = [];
    for (const module of [http, https]) this.#wrap(module);
    syncBuiltinESMExports();
    diagnostics.subscribe('child_process', ({ process: child }) => this.#process(child));
  }

  #wrap(module) {
    const original = module.request;
    const observer = this;
    module.request = function (...args) {
      const start = now();
      const request = original.apply(this, args);
      observer.#request(request, start);
      return request;
    };
    // `get` calls the module's inner `request`, past the wrapper.
    module.get = function (...args) {
      const request = module.request(...args);
      request.end();
      return request;
    };
  }

  #request(request, start) {
    const url = request.path ?? '';
    const seen = { method: request.method, path: url.split('?', 1)[0], blockList: url.includes('comp=blocklist'), start, end: null, bytes: 0, ok: false };
    this.requests.push(seen);
    const done = (ok) => {
      seen.end ??= now();
      seen.ok = ok;
    };
    request.prependOnceListener('response', (response) => {
      const good = response.statusCode >= 200 && response.statusCode < 300;
      const sent = Number(request.getHeader('content-length') ?? 0);
      seen.bytes = seen.method === 'GET' ? Number(response.headers['content-length'] ?? 0) : sent;
      response.once('end', () => done(good));
      response.once('close', () => done(good && response.complete));
    });
    request.once('close', () => { seen.end ??= now(); });
  }

  #process(child) {
    const seen = { child, start: now(), end: null };
    this.processes.push(seen);
    child.once('exit', () => { seen.end = now(); });
  }

  /** The spans that can be told from what was seen, and the number of requests that failed. */
  summary() {
    const finished = this.requests.filter((r) => r.end !== null);
    const rpc = finished.filter((r) => r.path.startsWith('/twirp/'));
    const blob = finished.filter((r) => !r.path.startsWith('/twirp/'));
    const spans = rpc.map((r) => span('resolve', r.path.split('/').at(-1), r.start, r.end, null));
    const up = whole('upload', blob.filter((r) => r.method === 'PUT'));
    const down = whole('download', blob.filter((r) => r.method === 'GET' || r.method === 'HEAD'));
    spans.push(...[up, down].filter(Boolean));
    for (const { child, start, end } of this.processes) {
      const args = (child.spawnargs ?? []).slice(1);
      if (end === null || !/(^|\/)tar$/.test(child.spawnargs?.[0] ?? '')) continue;
      if (args.includes('-cf')) spans.push(span('compress', 'tar | zstdmt', start, end, up?.bytes ?? null));
      if (args.includes('-xf')) spans.push(span('decompress', 'unzstd | tar', start, end, down?.bytes ?? null));
    }
    spans.sort((a, b) => a.start_ns - b.start_ns);
    return { spans, requests: this.requests.length, failed_requests: this.requests.filter((r) => !r.ok).length, bytes: { up: up?.bytes ?? 0, down: down?.bytes ?? 0 } };
  }
}

/** One span; times in ns of CLOCK_MONOTONIC (exact as a JSON number for 104 days after boot, then to 2 ns). */
export function span(name, detail, start, end, bytes) {
  return { name, detail, start_ns: Number(start), end_ns: Number(end), bytes };
}

// From the first request's start to the last one's end; bytes of payload that arrived, a block list is none.
function whole(name, requests) {
  if (requests.length === 0) return null;
  const start = requests.reduce((least, r) => (r.start < least ? r.start : least), requests[0].start);
  const end = requests.reduce((most, r) => (r.end > most ? r.end : most), requests[0].end);
  const bytes = requests.filter((r) => r.ok && !r.blockList && r.method !== 'HEAD').reduce((sum, r) => sum + r.bytes, 0);
  return span(name, `${requests.length} requests`, start, end, bytes);
}
