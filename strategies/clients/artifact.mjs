// Drives the artifact client as actions/upload-artifact and actions/download-artifact do.
import fs from 'node:fs';
import path from 'node:path';
import { drive, integer, UsageError } from './lib/drive.mjs';

const text = { type: 'string' };
const environment = ['ACTIONS_RESULTS_URL', 'ACTIONS_RUNTIME_TOKEN'];

const upload = {
  options: { name: text, file: text, level: text, archive: text, concurrency: text },
  required: ['name', 'file'],
  environment,
  check(values) {
    if (!['true', 'false', undefined].includes(values.archive)) throw new UsageError(`--archive must be true or false, got ${values.archive}`);
    return { level: integer(values, 'level', 0, 9) ?? 0, concurrency: integer(values, 'concurrency', 1, 300) };
  },
  async call({ DefaultArtifactClient }, values, { level, concurrency }) {
    if (concurrency !== undefined) process.env.ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY = String(concurrency);
    const file = path.resolve(values.file);
    // Of a folder, everything in it: names in the artifact are relative to it, as in upload-artifact.
    const isFolder = fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const within = () => fs.readdirSync(file, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name));
    const [files, root] = isFolder ? [within(), file] : [[file], path.dirname(file)];
    const options = { compressionLevel: level, skipArchive: values.archive === 'false' };
    const { id, size, digest } = await new DefaultArtifactClient().uploadArtifact(values.name, files, root, options);
    if (!id || !size) throw new Error(`upload of ${values.name} gave no id or no bytes`);
    return { bytes: size, id: String(id), digest: `sha256:${digest}` };
  },
};

const download = {
  options: { name: text, dir: text },
  required: ['name', 'dir'],
  environment,
  async call({ DefaultArtifactClient }, values) {
    const client = new DefaultArtifactClient();
    const { artifact } = await client.getArtifact(values.name);
    const answer = await client.downloadArtifact(artifact.id, { path: path.resolve(values.dir), expectedHash: artifact.digest });
    if (answer.digestMismatch) throw new Error(`digest mismatch: artifact ${values.name} is not what was uploaded as ${artifact.digest}`);
    if (!artifact.digest) throw new Error(`artifact ${values.name} is listed without a digest: its content could not be checked`);
    return { id: String(artifact.id), digest: artifact.digest };
  },
};

const remove = {
  options: { name: text },
  required: ['name'],
  environment,
  async call({ DefaultArtifactClient }, values) {
    const { id } = await new DefaultArtifactClient().deleteArtifact(values.name);
    return { id: String(id) };
  },
};

process.exitCode = await drive('@actions/artifact', { upload, download, delete: remove }, process.argv.slice(2));
