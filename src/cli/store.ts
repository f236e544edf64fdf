// The store of a command: the database that worker and ingestor share, or one of its own in a folder where a
// single process is both.

import type { Command } from 'commander';
import { CepError } from '../errors.js';
import { openStore, type Store } from '../store/store.js';
import { note } from './terminal.js';

export const DATABASE_VARIABLE = 'TEMPORAL_CEP_DATABASE';

export const DATABASE_HELP = `
The database is the one of --database or ${DATABASE_VARIABLE}, such as postgres://user:password@host/name;
temporal-cep setup prepares it.`;

/** The address that a flag or the environment gives. */
export function databaseAddress(flag?: string): string | undefined {
  return flag ?? (process.env[DATABASE_VARIABLE] || undefined);
}

/** What a command keeps its knowledge in, known before it is opened. */
export type StorePlace = { readonly address: string } | { readonly folder: string };

/**
 * The database that several processes share.
 *
 * @throws CepError `SETTING_INVALID` where nothing names one
 */
export function sharedStore(flag: string | undefined): StorePlace {
  const address = databaseAddress(flag);
  if (address !== undefined) return { address };
  throw new CepError(
    'SETTING_INVALID',
    `worker and ingest are processes of their own and share what they know through a database: set ${DATABASE_VARIABLE} or --database to postgres://user:password@host/name, or run both in one process with temporal-cep ingest ... --with-worker`,
  );
}

/** The shared database where one is named, or else one in a folder, for this process alone. */
export function ownStore(flag: string | undefined, folder: string): StorePlace {
  const address = databaseAddress(flag);
  return address === undefined ? { folder } : { address };
}

/** Opens it. One in a folder is set up here; one that is shared is set up by `temporal-cep setup`. */
export async function openPlace(place: StorePlace): Promise<Store> {
  if ('address' in place) return openStore(place.address, { migrate: false });
  note(`Keeps what it knows in ${place.folder}`);
  return openStore({ folder: place.folder }, { migrate: true });
}

export interface PlaceFlags {
  readonly database?: string;
  readonly dataFolder?: string;
}

/** Options of a command that looks into a store that others work with, or have worked with. */
export function addPlaceOptions(command: Command): Command {
  return command
    .option('--database <address>', 'the database of the ingestors (default: the environment)')
    .option('--data-folder <folder>', 'that of a process that was all in one, and has ended')
    .addHelpText('after', DATABASE_HELP);
}

/** @throws CepError `SETTING_INVALID` where nothing names one */
export function placeOf({ database, dataFolder }: PlaceFlags): StorePlace {
  const isFolder = dataFolder !== undefined && databaseAddress(database) === undefined;
  return isFolder ? ownStore(database, dataFolder) : sharedStore(database);
}

/** Does something with the store, and closes it. */
export async function withStore<T>(
  flags: PlaceFlags,
  act: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openPlace(placeOf(flags));
  try {
    return await act(store);
  } finally {
    await store.close();
  }
}
