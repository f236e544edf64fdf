// The tables are made once, whoever begins, and a version says when they are not its own.

import type { Migration } from 'kysely';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import {
  checkMigrated,
  type MigrationSet,
  migrate,
  STORE_MIGRATIONS,
} from '../../src/store/migrate.js';
import { migrations } from '../../src/store/migrations/index.js';
import { ENGINES, useDatabase } from './support/database.js';

const ALL = [
  '0001-progress-and-ledger',
  '0002-refused-signals',
  '0003-repartition',
  '0004-shadow-alerts',
  '0005-effects',
  '0006-alerts-as-they-come',
];
const TABLES = [
  'cep_alerts',
  'cep_budgets',
  'cep_effect_users',
  'cep_effects',
  'cep_goals',
  'cep_migrations',
  'cep_migrations_lock',
  'cep_parked',
  'cep_progress',
  'cep_refused',
  'cep_sources',
  'cep_suppressions',
];

/** The version after this one. */
const next: MigrationSet = {
  ...STORE_MIGRATIONS,
  provider: {
    getMigrations: async () => ({
      ...(await migrations.getMigrations()),
      '9999-next': { up: (db) => db.schema.createTable('cep_next').execute() } satisfies Migration,
    }),
  },
};

describe.each(ENGINES)('%s', (engine) => {
  const at = useDatabase(engine, { isBare: true });
  const tables = async () => {
    const { rows } = await sql<{ name: string }>`
      select table_name as name from information_schema.tables where table_schema = 'public'
    `.execute(at.database.db);
    return rows.map(({ name }) => name).sort();
  };
  const done = async () => {
    const { rows } = await sql<{ name: string }>`
      select name from cep_migrations order by name
    `.execute(at.database.db);
    return rows.map(({ name }) => name);
  };

  test('makes the tables, once', async () => {
    await migrate(at.database);
    await migrate(at.database);
    expect(await tables()).toEqual(TABLES);
    expect(await done()).toEqual(ALL);
    await checkMigrated(at.database);
  });

  test('lets one of several processes work that begin at once', async () => {
    const processes = await Promise.all([at.another(), at.another(), at.another()]);
    await Promise.all([at.database, ...processes].map((process) => migrate(process)));
    expect(await tables()).toEqual(TABLES);
    expect(await done()).toEqual(ALL);
  });

  test('says when there are none', async () => {
    await expect(checkMigrated(at.database)).rejects.toMatchObject({
      name: 'CepError',
      code: 'SETTING_INVALID',
      message: `the database ${at.database.name} has not been set up: run temporal-cep setup`,
    });
    expect(await tables()).toEqual([]);
  });

  test('says when they are older, and brings them up', async () => {
    await migrate(at.database);
    await expect(checkMigrated(at.database, next)).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      message: `the database ${at.database.name} is older than this version: run temporal-cep setup`,
    });
    await migrate(at.database, next);
    await checkMigrated(at.database, next);
    expect(await tables()).toEqual([...TABLES, 'cep_next'].sort());
  });

  test('leaves alone what a newer version made', async () => {
    await migrate(at.database, next);
    const newer = {
      code: 'SETTING_INVALID',
      message: `the database ${at.database.name} is newer than this version of temporal-cep: update temporal-cep`,
    };
    await expect(checkMigrated(at.database)).rejects.toMatchObject(newer);
    await expect(migrate(at.database)).rejects.toMatchObject(newer);
    expect(await done()).toEqual([...ALL, '9999-next']);
  });
});
