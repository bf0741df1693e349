// Exits 0 if node_modules is what package-lock.json says, else names the first difference and exits 1.
// npm writes node_modules/.package-lock.json last, so a cut-off `npm ci` is out of step too.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];

function packages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch (error) {
    console.log(`out of step: ${file}: ${error.message}`);
    process.exit(1);
  }
}

const wanted = packages(join(folder, 'package-lock.json'));
const there = packages(join(folder, 'node_modules', '.package-lock.json'));

for (const [path, entry] of Object.entries(wanted)) {
  if (path === '') continue;
  const found = there[path];
  if (found === undefined && entry.optional) continue;
  const same = found?.version === entry.version && found?.integrity === entry.integrity;
  if (!same || !existsSync(join(folder, path, 'package.json'))) {
    console.log(`out of step: ${path} is to be ${entry.version}, is ${found?.version ?? 'missing'}`);
    process.exit(1);
  }
}
for (const path of Object.keys(there)) {
  if (wanted[path] === undefined) {
    console.log(`out of step: ${path} is not in the lockfile`);
    process.exit(1);
  }
}
