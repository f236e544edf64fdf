// A codec server: with its address in the Temporal UI (the glasses at the top) people read there what is encrypted. Like
// the data converter it takes ENCRYPTION_KEYS; start it with `npx jiti examples/encryption/codec-server.ts`. Whoever
// reaches it can read everything: it listens on this machine alone, and answers only to the UI at UI_ORIGIN.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import { pathToFileURL } from 'node:url';
import { AesGcmCodec, keysFrom } from './aes-gcm-codec.js';

/** Temporal's histories are no larger. */
const BODY_LENGTH_MAX = 64_000_000;

/** A payload in protobuf's JSON. */
interface JsonPayload {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly data?: string;
}

/** @param origin - of the UI, such as http://localhost:8233 */
export function codecServer(codec: AesGcmCodec, origin: string): Server {
  return createServer(async (request, response) => {
    const answer = (status: number, body = '') =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Methods', 'POST');
    response.setHeader('Access-Control-Allow-Headers', 'content-type,x-namespace,authorization');
    if (request.method === 'OPTIONS') return answer(204);
    // `/encode` would seal what anybody likes; the UI needs it only to start workflows.
    if (request.method !== 'POST' || !request.url?.endsWith('/decode')) return answer(404);
    try {
      const { payloads = [] } = JSON.parse(await bodyOf(request)) as { payloads?: JsonPayload[] };
      const decoded = await codec.decode(
        payloads.map(({ metadata = {}, data = '' }) => ({
          metadata: mapped(metadata, (text) => Buffer.from(text, 'base64')),
          data: Buffer.from(data, 'base64'),
        })),
      );
      const readable = decoded.map(({ metadata, data }) => ({
        metadata: mapped(metadata ?? {}, base64),
        data: base64(data ?? new Uint8Array()),
      }));
      return answer(200, JSON.stringify({ payloads: readable }));
    } catch (error) {
      return answer(400, JSON.stringify({ message: (error as Error).message }));
    }
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > BODY_LENGTH_MAX) throw new Error('the request is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function mapped<A, B>(of: Readonly<Record<string, A>>, to: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, to(value)]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { ENCRYPTION_KEYS, UI_ORIGIN = 'http://localhost:8233', PORT = '8888' } = process.env;
  const server = codecServer(new AesGcmCodec(keysFrom(ENCRYPTION_KEYS)), UI_ORIGIN);
  server.listen(Number(PORT), '127.0.0.1', () => {
    console.error(`Decodes at http://127.0.0.1:${PORT}/decode for ${UI_ORIGIN}`);
  });
}
