// A data converter that encrypts: `temporal-cep worker --data-converter examples/encryption/data-converter.ts`, and the
// same for ingest and status. Keys come from the environment, each 32 bytes in base64 (`openssl rand -base64 32`):
//
//   ENCRYPTION_KEYS=2026-02=<key>,2026-01=<key>
//
// The first one encrypts, each of them decrypts. To rotate: add the new key at the end everywhere, so that all can read
// it, then move it to the front. An old key may go when no workflow is kept any more that was written under it.

import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { AesGcmCodec, keysFrom } from './aes-gcm-codec.js';

export function dataConverter(): DataConverter {
  return {
    payloadCodecs: [new AesGcmCodec(keysFrom(process.env.ENCRYPTION_KEYS))],
    // Without it the messages of errors are readable, and they may quote an event.
    failureConverterPath: fileURLToPath(new URL('failure-converter.cjs', import.meta.url)),
  };
}
