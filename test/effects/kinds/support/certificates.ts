// Certificates for servers of tests, made by openssl: an authority of our own, and what it has signed.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface Certificates {
  /** PEM of the authority. */
  readonly authority: string;
  readonly good: Certificate;
  readonly expired: Certificate;
  readonly ofAnotherHost: Certificate;
  readonly selfSigned: Certificate;
}

/** @param host - an address that the good ones are for */
export function makeCertificates(host: string): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'cep-certificates-'));
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const newKey = (name: string) => [
    ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', `${name}.key`, '-subj', `/CN=${name}`],
  ];
  const signed = (name: string, san: string, dates: readonly string[]): Certificate => {
    openssl('req', ...newKey(name), '-out', `${name}.csr`);
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${san}\n`);
    openssl(
      ...['ca', '-batch', '-config', 'ca.cnf', '-extfile', `${name}.ext`, ...dates],
      ...['-in', `${name}.csr`, '-out', `${name}.pem`],
    );
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
  };
  try {
    writeFileSync(join(folder, 'index'), '');
    writeFileSync(join(folder, 'serial'), '01\n');
    writeFileSync(
      join(folder, 'ca.cnf'),
      [
        '[ca]\ndefault_ca = own',
        '[own]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ncertificate = authority.pem',
        'private_key = authority.key\ndefault_md = sha256\npolicy = any\nunique_subject = no',
        '[any]\ncommonName = supplied\n',
      ].join('\n'),
    );
    openssl('req', '-x509', ...newKey('authority'), '-out', 'authority.pem', '-days', '2');
    openssl(
      ...['req', '-x509', ...newKey('self'), '-out', 'self.pem', '-days', '2'],
      ...['-addext', `subjectAltName=IP:${host}`],
    );
    const now = ['-days', '2'];
    const longAgo = ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z'];
    return {
      authority: read('authority.pem'),
      selfSigned: { key: read('self.key'), cert: read('self.pem') },
      good: signed('good', `IP:${host}`, now),
      expired: signed('expired', `IP:${host}`, longAgo),
      ofAnotherHost: signed('other', 'DNS:other.example', now),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
