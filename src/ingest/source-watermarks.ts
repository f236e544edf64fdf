// What a repartition says of its source partitions, in every partition of the topic that it writes.
//
//   M1. Said is only what the store has taken: a process that was replaced promises nothing that its successor does not know.
//   M2. How many partitions there are is asked after the watermarks were taken. So a partition that is not counted held nothing
//       by then, and nobody has passed it.

import { messageOf } from '../errors.js';
import type { TopicWriter } from '../kafka/topic-writer.js';
import type { Logger } from '../log.js';
import type { Published } from './outlet.js';
import { encodeWatermark } from './repartition-format.js';

export interface SourceWatermarksOptions {
  readonly writer: TopicWriter;
  /** Asks the brokers how many partitions the source has. */
  readonly sourcePartitions: () => Promise<number>;
  /** Asks the brokers for the ids of the partitions of the topic that is written. */
  readonly outputPartitions: () => Promise<readonly number[]>;
  /** Those that there are at first. */
  readonly outputs: readonly number[];
  readonly log: Logger;
}

export class SourceWatermarks {
  readonly #options: SourceWatermarksOptions;
  /** The latest of each partition that is still to be told. */
  readonly #news = new Map<string, Published>();
  #telling: Promise<void> | null = null;
  #outputs: readonly number[];
  #isStopped = false;

  constructor(options: SourceWatermarksOptions) {
    this.#options = options;
    this.#outputs = options.outputs;
  }

  /** The partitions of the topic that is written, as far as is known. */
  get outputs(): readonly number[] {
    return this.#outputs;
  }

  /** M1. What can't be written is told with the next publication. */
  tell(publications: readonly Published[]): void {
    for (const each of publications) this.#news.set(`${each.partition} ${each.source}`, each);
    this.#telling ??= this.#tell().finally(() => {
      this.#telling = null;
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#telling;
  }

  async #tell(): Promise<void> {
    const { writer, log } = this.#options;
    while (this.#news.size > 0 && !this.#isStopped) {
      const publications = [...this.#news.values()];
      this.#news.clear();
      try {
        const partitions = await this.#options.sourcePartitions();
        await this.#lookAtOutputs();
        await writer.write(
          publications.flatMap((each) => {
            const record = encodeWatermark(watermarkOf(each, partitions));
            return this.#outputs.map((partition) => ({ ...record, partition }));
          }),
        );
      } catch (error) {
        log.warn('watermarks not written', { error: messageOf(error) });
        return;
      }
    }
  }

  async #lookAtOutputs(): Promise<void> {
    const now = await this.#options.outputPartitions();
    const before = this.#outputs;
    if (now.length <= before.length) return;
    this.#outputs = now;
    this.#options.log.warn(
      'the topic that is written has more partitions: the events of many keys go to another one from now on',
      { before: before.length, partitions: now.length },
    );
  }
}

function watermarkOf(of: Published, partitions: number) {
  const { source, partition, progress, isSilent } = of;
  const { watermark, lowWater } = progress;
  // Older than its own partition the count can't be.
  const counted = Math.max(partitions, partition + 1);
  return { source, partition, partitions: counted, watermark, lowWater, isSilent };
}
