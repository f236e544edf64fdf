import { Command } from 'commander';
import { applyCommand } from './apply.js';
import { compareCommand } from './compare.js';
import { diffCommand } from './diff.js';
import { historyCommand, listCommand, showCommand } from './list.js';
import { rollbackCommand, stateCommand } from './state.js';
import { validateCommand } from './validate.js';

export function rulesCommand(): Command {
  return new Command('rules')
    .description('rules as data: check them, and keep them in a table')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(historyCommand())
    .addCommand(validateCommand())
    .addCommand(diffCommand())
    .addCommand(applyCommand())
    .addCommand(stateCommand('on', 'put rules in force'))
    .addCommand(stateCommand('shadow', 'let rules match and be recorded, and set nothing off'))
    .addCommand(stateCommand('off', 'take rules out of force'))
    .addCommand(rollbackCommand())
    .addCommand(compareCommand());
}
