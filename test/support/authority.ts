// A certificate authority for one test, and what it signs, by the openssl that is on every machine.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeFailure, run } from '../../src/servers/process.js';
import { seconds } from '../../src/time.js';

/** Paths of PEM files. */
export interface Certificate {
  readonly key: string;
  readonly certificate: string;
}

export interface Authority {
  readonly folder: string;
  /** Its own certificate: what who trusts it is given. */
  readonly certificate: string;
  /**
   * @param name - whose it is; also the name of the files
   * @param hosts - such as `DNS:localhost` or `IP:127.0.0.1`
   */
  sign(name: string, hosts: readonly string[]): Promise<Certificate>;
  /** Removes the files. */
  remove(): Promise<void>;
}

export async function createAuthority(name: string): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'temporal-cep-authority-'));
  const path = (file: string) => join(folder, file);
  const own = await request(path, name);
  const signed = ['-signkey', own.key, '-extfile', path('authority.ext')];
  await writeFile(path('authority.ext'), 'basicConstraints=critical,CA:TRUE\n');
  await sign(own, signed);
  return {
    folder,
    certificate: own.certificate,
    async sign(of, hosts) {
      const asked = await request(path, of);
      await writeFile(path(`${of}.ext`), `subjectAltName=${hosts.join(',')}\n`);
      const by = ['-CA', own.certificate, '-CAkey', own.key, '-CAcreateserial'];
      await sign(asked, [...by, '-extfile', path(`${of}.ext`)]);
      return asked;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Key and certificate in one file, as brokers take them. */
export async function pemOf({ key, certificate }: Certificate): Promise<string> {
  return (await readFile(key, 'utf8')) + (await readFile(certificate, 'utf8'));
}

interface Requested extends Certificate {
  readonly request: string;
}

async function request(path: (file: string) => string, name: string): Promise<Requested> {
  const files = {
    key: path(`${name}.key`),
    request: path(`${name}.csr`),
    certificate: path(`${name}.pem`),
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const out = ['-keyout', files.key, '-out', files.request];
  await openssl('req', '-new', ...curve, '-subj', `/CN=${name}`, ...out);
  return files;
}

async function sign({ request, certificate }: Requested, by: readonly string[]): Promise<void> {
  await openssl('x509', '-req', '-in', request, '-days', '2', '-out', certificate, ...by);
}

async function openssl(...args: string[]): Promise<void> {
  const outcome = await run('openssl', args, { timeoutMs: seconds(30) });
  if (outcome.code !== 0) throw new Error(`openssl ${args[0]}: ${describeFailure(outcome)}`);
}
