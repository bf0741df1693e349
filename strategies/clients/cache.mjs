// Drives the cache client as actions/cache does. It swallows errors: its result is checked, not its silence.
import { drive } from './lib/drive.mjs';

const text = { type: 'string' };
// Without the third the client would speak the first cache service; without the fourth it writes outside the job.
const environment = ['ACTIONS_RESULTS_URL', 'ACTIONS_RUNTIME_TOKEN', 'ACTIONS_CACHE_SERVICE_V2', 'RUNNER_TEMP'];
const many = { type: 'string', multiple: true };

const save = {
  options: { path: many, key: text },
  required: ['path', 'key'],
  environment,
  async call({ saveCache }, values) {
    const id = await saveCache(values.path, values.key);
    if (!Number.isInteger(id) || id < 0) throw new Error(`cache ${values.key} was not saved`);
    return { id: String(id), key: values.key };
  },
};

const restore = {
  options: { path: many, key: text, 'restore-key': many, 'or-miss': { type: 'boolean' } },
  required: ['path', 'key'],
  environment,
  async call({ restoreCache }, values) {
    const others = values['restore-key'] ?? [];
    const hit = await restoreCache(values.path, values.key, others);
    // A workflow that looks first goes on without; its report then names no key.
    if (hit === undefined && values['or-miss']) return {};
    if (hit === undefined) throw new Error(`cache miss: ${values.key}`);
    // Without restore keys the caller wants this entry; the service also matches prefixes of a key.
    if (others.length === 0 && hit !== values.key) throw new Error(`cache miss: asked for ${values.key}, got ${hit}`);
    return { key: hit };
  },
};

process.exitCode = await drive('@actions/cache', { save, restore }, process.argv.slice(2));
