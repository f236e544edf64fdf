// Builds dist once before the tests: worker, command line and workflow bundle are tested as built, and
// dist must be what src says. The many workers of the tests share what they compile.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export default function setup(): () => void {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const root = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  cpSync(join(root, 'src/console/page'), join(root, 'dist/console/page'), { recursive: true });
  const cache = mkdtempSync(join(tmpdir(), 'temporal-cep-bundles-'));
  process.env.TEMPORAL_CEP_BUNDLE_CACHE = cache;
  return () => rmSync(cache, { recursive: true, force: true });
}
