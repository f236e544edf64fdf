import { Command } from 'commander';
import { analyticsFileCommand } from './file.js';
import { analyticsKafkaCommand } from './kafka.js';

export function analyticsCommand(): Command {
  return new Command('analytics')
    .description('keep running sums of a stream in SQL, each event once')
    .addCommand(analyticsFileCommand())
    .addCommand(analyticsKafkaCommand());
}
