// Where a command puts late events and dead letters: a file, a topic, or the log.

import type { Command } from 'commander';
import type { Kafka } from 'kafkajs';
import { fileRejects, type RejectSink } from '../ingest/rejects.js';
import { requireTopic } from '../kafka/admin.js';
import { rejectTopic } from '../kafka/reject-topic.js';
import type { Logger } from '../log.js';

export interface RejectFlags {
  readonly late?: string;
  readonly lateTopic?: string;
  readonly deadLetters?: string;
  readonly deadLettersTopic?: string;
}

export function addRejectOptions(command: Command): Command {
  return command
    .option('--late <file>', 'append late events here (default: the log)')
    .option('--late-topic <topic>', 'publish late events to this Kafka topic')
    .option('--dead-letters <file>', 'append records that cannot be used here (default: the log)')
    .option(
      '--dead-letters-topic <topic>',
      'publish records that cannot be used to this Kafka topic',
    );
}

export function namesRejectTopic({ lateTopic, deadLettersTopic }: RejectFlags): boolean {
  return lateTopic !== undefined || deadLettersTopic !== undefined;
}

/** Those that have been asked for; nothing where the log will do. */
export interface RejectSinks {
  readonly late?: RejectSink | undefined;
  readonly deadLetters?: RejectSink | undefined;
}

/**
 * Files are looked at before any server is asked for.
 *
 * @throws CepError `SETTING_INVALID` for one that can't be written
 */
export function rejectFiles({ late, deadLetters }: RejectFlags): RejectSinks {
  return {
    late: late === undefined ? undefined : fileRejects(late),
    deadLetters: deadLetters === undefined ? undefined : fileRejects(deadLetters),
  };
}

/**
 * Topics that are named are looked for before anything is read: whoever waits for one holds up what it reads.
 *
 * @throws CepError `INPUT_MISSING`, `SETTING_INVALID`
 */
export async function requireRejectTopics(
  { lateTopic, deadLettersTopic }: RejectFlags,
  kafka: Kafka,
): Promise<void> {
  const topics = [lateTopic, deadLettersTopic].filter((topic) => topic !== undefined);
  if (topics.length === 0) return;
  const admin = kafka.admin();
  try {
    await admin.connect();
    for (const topic of topics) await requireTopic(admin, topic);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

/** Topics, where they are named, and otherwise the files. */
export function openRejects(
  flags: RejectFlags,
  files: RejectSinks,
  kafka: Kafka | null,
  log: Logger,
): RejectSinks & { close(): Promise<void> } {
  const topics: { close(): Promise<void> }[] = [];
  const toTopic = (topic: string | undefined): RejectSink | undefined => {
    if (topic === undefined || !kafka) return undefined;
    const rejects = rejectTopic({ kafka, topic, log });
    topics.push(rejects);
    return (reject) => rejects.put(reject);
  };
  return {
    late: toTopic(flags.lateTopic) ?? files.late,
    deadLetters: toTopic(flags.deadLettersTopic) ?? files.deadLetters,
    close: async () => {
      await Promise.all(topics.map((topic) => topic.close()));
    },
  };
}
