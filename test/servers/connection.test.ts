// Temporal's environment configuration becomes connection options; every way to fail has its sentence.

import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { connectionOptionsFromEnv, connectToServer } from '../../src/servers/connection.js';
import { freePort } from '../../src/servers/ports.js';
import { temporaryFolder } from './helpers.js';

// Processes are started here, on machines that may be busy.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const HOME = '/nowhere';

test('nothing set: the local server', () => {
  expect(connectionOptionsFromEnv({ HOME, TEMPORAL_ADDRESS: '' })).toEqual({
    namespace: 'default',
    connectionOptions: { address: 'localhost:7233' },
  });
});

test('address, namespace, and an API key that switches TLS on', () => {
  const env = {
    HOME,
    TEMPORAL_ADDRESS: 'eu.example.com:7233',
    TEMPORAL_NAMESPACE: 'shop.a1b2c',
    TEMPORAL_API_KEY: 'secret',
  };
  expect(connectionOptionsFromEnv(env)).toEqual({
    namespace: 'shop.a1b2c',
    connectionOptions: { address: 'eu.example.com:7233', apiKey: 'secret', tls: true },
  });
});

test('certificates and the name of the server', () => {
  const folder = temporaryFolder();
  const [crt, key] = [join(folder, 'crt'), join(folder, 'key')];
  writeFileSync(crt, 'certificate');
  writeFileSync(key, 'key');
  const env = {
    HOME,
    TEMPORAL_ADDRESS: 'h:1',
    TEMPORAL_TLS_CLIENT_CERT_PATH: crt,
    TEMPORAL_TLS_CLIENT_KEY_PATH: key,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: crt,
    TEMPORAL_TLS_SERVER_NAME: 'inside',
  };
  const bytes = (path: string) => Uint8Array.from(readFileSync(path));
  const { connectionOptions } = connectionOptionsFromEnv(env);
  expect(connectionOptions).toEqual({
    address: 'h:1',
    tls: {
      serverNameOverride: 'inside',
      serverRootCACertificate: bytes(crt),
      clientCertPair: { crt: bytes(crt), key: bytes(key) },
    },
  });
});

test('a profile of a configuration file', () => {
  const file = join(temporaryFolder(), 'temporal.toml');
  writeFileSync(file, '[profile.staging]\naddress = "staging:7233"\nnamespace = "cep"\n');
  const env = { HOME, TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'staging' };
  expect(connectionOptionsFromEnv(env)).toEqual({
    namespace: 'cep',
    connectionOptions: { address: 'staging:7233' },
  });
});

test.each([
  ['a missing file', { TEMPORAL_CONFIG_FILE: '/nowhere/x.toml' }, /ENOENT.*\/nowhere\/x\.toml/],
  ['a missing profile', { TEMPORAL_PROFILE: 'staging' }, /staging/],
  [
    'an address with a scheme',
    { TEMPORAL_ADDRESS: 'http://h:1' },
    /http:\/\/h:1 must be host:port/,
  ],
  [
    'a missing certificate',
    {
      TEMPORAL_ADDRESS: 'h:1',
      TEMPORAL_TLS_CLIENT_CERT_PATH: '/nowhere/crt',
      TEMPORAL_TLS_CLIENT_KEY_PATH: '/nowhere/key',
    },
    /ENOENT.*\/nowhere\/crt/,
  ],
])('%s is a wrong setting', (_, env, message) => {
  const fail = () => connectionOptionsFromEnv({ HOME, ...env });
  expect(fail).toThrow(message);
  expect(fail).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
});

test('nobody there', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  await expect(
    connectToServer({ connectionOptions: { address }, namespace: 'default' }, 1_000),
  ).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: `no Temporal server answered at ${address}: the connection was refused. Start a server there, correct TEMPORAL_ADDRESS (or the profile), or unset it to have a development server started`,
    details: { address },
  });
});

test('somebody there who is no Temporal server', async () => {
  const server = createServer((socket) => socket.on('error', () => {}));
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await expect(
    connectToServer(
      { connectionOptions: { address: `127.0.0.1:${port}` }, namespace: 'default' },
      1_000,
    ),
  ).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: expect.stringContaining('the port is open, so check TEMPORAL_TLS_*'),
  });
  server.close();
});
