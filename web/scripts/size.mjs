// Holds that a person on a phone downloads at most 300 kB of JavaScript (gzip) from sign-in to
// the room. Walks the build manifest: the entry, the pages on that way, and all they import.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT_KB = 300;
const WAY = [
  'index.html',
  'src/features/session/SignIn.tsx',
  'src/features/home/Home.tsx',
  'src/features/classroom/Classroom.tsx',
  'src/features/classroom/Room.tsx',
];

const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));
const files = new Set();

function visit(name) {
  const chunk = manifest[name];
  if (!chunk) throw new Error(`${name} is not in the manifest: build first`);
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const imported of chunk.imports ?? []) visit(imported);
}
WAY.forEach(visit);

let total = 0;
for (const file of files) {
  if (!file.endsWith('.js')) continue;
  const bytes = gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
  total += bytes;
  console.log(`${(bytes / 1000).toFixed(1).padStart(8)} kB  ${file}`);
}
console.log(`${(total / 1000).toFixed(1).padStart(8)} kB  of ${LIMIT_KB} kB`);
if (total > LIMIT_KB * 1000) {
  console.error('The way from sign-in to the room is too heavy.');
  process.exit(1);
}
