// One POST over a connection of its own. Of a connection that was kept nobody could say, when it breaks, whether the receiver had
// closed it before it saw the request; here the request is written only to one that stands, TLS included.

import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { messageOf } from '../../errors.js';
import { connectionFault } from './connection-fault.js';
import { DeliveryError } from './kind.js';

/** Of an answer; what is behind that is not read. */
export const ANSWER_BYTES_MAX = 64 * 1024;

export interface HttpRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Authorities in place of those that Node knows, PEM. */
  readonly ca?: string;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** At most {@link ANSWER_BYTES_MAX} of it. */
  readonly body: string;
  /** Whether the connection ended before the answer did. */
  readonly isCutOff: boolean;
}

/** @throws DeliveryError `not-sent` without a connection, `unknown` when no answer came over it */
export async function post(asked: HttpRequest): Promise<HttpAnswer> {
  const { url, signal } = asked;
  const socket = await connect(asked).catch((error: unknown) => {
    const said = signal.aborted ? messageOf(signal.reason) : connectionFault(error);
    throw new DeliveryError(
      `no connection to ${url.origin}: ${said}`,
      { is: 'not-sent' },
      { cause: error },
    );
  });
  try {
    return await exchange(asked, socket);
  } catch (error) {
    const said = messageOf(signal.aborted ? signal.reason : error);
    throw new DeliveryError(
      `no answer from ${url.origin}: ${said}`,
      { is: 'unknown' },
      { cause: error },
    );
  } finally {
    socket.destroy();
  }
}

function connect({ url, ca, signal }: HttpRequest): Promise<Socket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isTls = url.protocol === 'https:';
  const port = Number(url.port) || (isTls ? 443 : 80);
  const socket = isTls
    ? connectTls({
        host,
        port,
        // An address has no name that a server could be told.
        ...(isIP(host) === 0 && { servername: host }),
        ...(ca !== undefined && { ca }),
        ALPNProtocols: ['http/1.1'],
      })
    : connectTcp({ host, port });
  addAbortSignal(signal, socket);
  return new Promise((resolve, reject) => {
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve(socket));
    // Stays for good: without a listener a later error of the socket would end the process.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
}

async function exchange({ url, headers, body }: HttpRequest, socket: Socket): Promise<HttpAnswer> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request({
      method: 'POST',
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host, 'content-length': Buffer.byteLength(body) },
      createConnection: () => socket,
    });
    sent.once('response', resolve);
    sent.on('error', reject);
    sent.end(body);
  });
  const { statusCode = 0, headers: told } = answer;
  return { status: statusCode, headers: told, ...(await textOf(answer)) };
}

async function textOf(answer: IncomingMessage): Promise<{ body: string; isCutOff: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isCutOff = false;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= ANSWER_BYTES_MAX) break;
    }
  } catch {
    isCutOff = true;
  }
  return { body: Buffer.concat(chunks).toString('utf8', 0, ANSWER_BYTES_MAX), isCutOff };
}
