import { Command } from 'commander';
import { ingestFileCommand } from './ingest-file.js';
import { ingestKafkaCommand } from './ingest-kafka.js';

export function ingestCommand(): Command {
  return new Command('ingest')
    .description('feed sessions from a stream of events')
    .addCommand(ingestFileCommand())
    .addCommand(ingestKafkaCommand());
}
