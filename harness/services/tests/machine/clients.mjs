// Calls the real npm clients as HANDOFF_CALL says and writes what they answer to HANDOFF_ANSWER. Evaluated with the
// folder of the clients as working directory, so that bare imports find their packages.
import fs from 'node:fs';
import { DefaultArtifactClient } from '@actions/artifact';
import { restoreCache, saveCache } from '@actions/cache';

const { verb, workspace, ...call } = JSON.parse(process.env.HANDOFF_CALL);
process.chdir(workspace);
const artifacts = new DefaultArtifactClient();

const verbs = {
  upload: () => artifacts.uploadArtifact(call.name, call.files, workspace, call.options),
  list: () => artifacts.listArtifacts(),
  get: () => artifacts.getArtifact(call.name),
  download: async () => {
    const { artifact } = await artifacts.getArtifact(call.name);
    return artifacts.downloadArtifact(artifact.id, { path: call.to, expectedHash: artifact.digest });
  },
  remove: () => artifacts.deleteArtifact(call.name),
  save: () => saveCache(call.paths, call.key),
  restore: async () => (await restoreCache(call.paths, call.key, call.restoreKeys ?? [])) ?? null,
};

let answer;
try {
  answer = { value: await verbs[verb]() };
} catch (error) {
  answer = { error: `${error.name}: ${error.message}` };
}
fs.writeFileSync(process.env.HANDOFF_ANSWER, JSON.stringify(answer));
