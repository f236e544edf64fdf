// A worker of effects in a process of its own, to be killed: one that makes no bundle, and so is ready soon.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NativeConnection } from '@temporalio/worker';
import { openStore } from 'temporal-cep/store';
import { createWorker } from 'temporal-cep/worker';

const { address, database, taskQueue, folder } = JSON.parse(process.argv[2]);
const worker = await createWorker({
  journeys: new URL('journeys.ts', import.meta.url),
  bundle: JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8')),
  store: await openStore(database),
  effects: join(folder, 'effects.json'),
  connection: await NativeConnection.connect({ address }),
  taskQueue,
});
process.stderr.write('Worker is ready\n');
await worker.run();
