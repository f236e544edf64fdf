// AES-256-GCM over whole payloads, in the format of Temporal's own samples: metadata and data of the payload, as protobuf,
// become `nonce (12 bytes) | ciphertext | tag (16 bytes)`, with the id of the key beside it.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';

const ALGORITHM = 'aes-256-gcm';
const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const { Payload: PayloadMessage } = temporal.api.common.v1;

/** Keys by their ids. */
export type Keys = ReadonlyMap<string, Buffer>;

/**
 * Reads `id=base64,id=base64`.
 *
 * @throws Error that says what is wrong, without the key
 */
export function keysFrom(text = ''): Keys {
  const keys = new Map<string, Buffer>();
  for (const entry of text.split(',').filter((entry) => entry.trim() !== '')) {
    const [, id, encoded] = /^([^=]+)=(.+)$/.exec(entry.trim()) ?? [];
    if (id === undefined || encoded === undefined) {
      throw new Error('an entry of ENCRYPTION_KEYS is not of the form id=base64');
    }
    if (keys.has(id)) throw new Error(`ENCRYPTION_KEYS has the key "${id}" twice`);
    const key = Buffer.from(encoded, 'base64');
    if (key.length !== KEY_BYTES) {
      throw new Error(
        `the key "${id}" of ENCRYPTION_KEYS has ${key.length} bytes, not ${KEY_BYTES}: make one with openssl rand -base64 ${KEY_BYTES}`,
      );
    }
    keys.set(id, key);
  }
  return keys;
}

export class AesGcmCodec implements PayloadCodec {
  readonly #keys: Keys;
  /** The first of the keys encrypts. */
  readonly #current: readonly [id: string, key: Buffer];

  /** @throws Error where there is no key */
  constructor(keys: Keys) {
    const [current] = keys;
    if (!current) {
      throw new Error('there is no key to encrypt with: set ENCRYPTION_KEYS to id=base64');
    }
    this.#keys = keys;
    this.#current = current;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const [id, key] = this.#current;
    return payloads.map((payload) => ({
      metadata: { encoding: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(id) },
      data: encrypt(PayloadMessage.encode(payload).finish(), key),
    }));
  }

  /** Leaves alone what is not encrypted: it is from before encryption was turned on. */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (textOf(payload.metadata?.encoding) !== ENCODING) return payload;
      const id = textOf(payload.metadata?.[KEY_ID]);
      const key = this.#keys.get(id);
      if (!key) {
        throw new Error(
          `a payload was encrypted with the key "${id}", and ENCRYPTION_KEYS has only ${[...this.#keys.keys()].join(', ')}: add it there`,
        );
      }
      return PayloadMessage.decode(decrypt(payload.data ?? new Uint8Array(), id, key));
    });
  }
}

function encrypt(plain: Uint8Array, key: Buffer): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(sealed: Uint8Array, id: string, key: Buffer): Uint8Array {
  try {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(end));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
  } catch (cause) {
    throw new Error(
      `a payload can't be decrypted with the key "${id}": it was changed since, or ENCRYPTION_KEYS has another key under that name`,
      { cause },
    );
  }
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes).toString() : '';
}
