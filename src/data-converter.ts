// A user's data converter by configuration: a module that exports Temporal's DataConverter, for worker, ingestor and
// command line alike. All of them need the same one: what one writes the others read.

import { existsSync } from 'node:fs';
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import { CepError, messageOf } from './errors.js';
import { importModule, pathOfModule, whatIsWrong } from './user-module.js';

/**
 * Loads a data converter: the export `dataConverter` of a module, or else its default export; the converter itself, or
 * a function that makes it.
 *
 * @param module - path, relative to the working directory, or a file URL; JavaScript or TypeScript
 * @throws CepError `SETTING_INVALID` when it is missing, does not load or exports something else
 * @example
 * const dataConverter = await loadDataConverter('./data-converter.ts');
 * const client = new Client({ connection, dataConverter });
 * const worker = await createWorker({ journeys, store, connection, dataConverter });
 */
export async function loadDataConverter(module: string | URL): Promise<DataConverter> {
  const path = pathOfModule(module);
  if (!existsSync(path)) throw invalid(path, 'is not there: correct the path');
  let made: unknown;
  try {
    const exported = (await importModule(path)) as Record<string, unknown>;
    const found = exported.dataConverter ?? exported.default;
    made = typeof found === 'function' ? await found() : found;
  } catch (cause) {
    const { where, said } = whatIsWrong(path, cause);
    throw invalid(where, `does not load: ${said}`, cause);
  }
  if (!isDataConverter(made)) {
    throw invalid(
      path,
      'exports no data converter: export it as dataConverter, with payloadCodecs, payloadConverterPath or failureConverterPath',
    );
  }
  const { payloadCodecs } = made;
  if (!payloadCodecs) return made;
  return { ...made, payloadCodecs: payloadCodecs.map((codec) => named(codec, path)) };
}

function isDataConverter(value: unknown): value is DataConverter {
  if (typeof value !== 'object' || value === null) return false;
  const { payloadCodecs, payloadConverterPath, failureConverterPath, externalStorage } =
    value as DataConverter;
  if (!payloadCodecs) {
    return [payloadConverterPath, failureConverterPath, externalStorage].some(Boolean);
  }
  if (!Array.isArray(payloadCodecs)) return false;
  return payloadCodecs.every(
    (codec) => typeof codec?.encode === 'function' && typeof codec.decode === 'function',
  );
}

/** A codec whose errors say which module they are from. */
function named(codec: PayloadCodec, path: string): PayloadCodec {
  const naming = async (work: Promise<Payload[]>): Promise<Payload[]> => {
    try {
      return await work;
    } catch (cause) {
      throw new CepError('SETTING_INVALID', `the payload codec of ${path}: ${messageOf(cause)}`, {
        details: { path },
        cause,
      });
    }
  };
  return {
    encode: (payloads, context) => naming(codec.encode(payloads, context)),
    decode: (payloads, context) => naming(codec.decode(payloads, context)),
  };
}

function invalid(path: string, problem: string, cause?: unknown): CepError {
  return new CepError('SETTING_INVALID', `the data converter ${path} ${problem}`, {
    details: { path },
    cause,
  });
}
