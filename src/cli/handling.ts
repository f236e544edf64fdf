// Who does it, and why: options of commands that change what others will ask about.

import { userInfo } from 'node:os';
import type { Command } from 'commander';
import type { Handling } from '../effects/ledger.js';

export interface HandlingFlags {
  readonly author?: string;
  readonly reason?: string;
}

export function addHandlingOptions(command: Command, isReasonRequired: boolean): Command {
  const why = ['--reason <text>', 'why, for those who ask later'] as const;
  command.option('--author <name>', 'who wants it (default: the user of this machine)');
  return isReasonRequired ? command.requiredOption(...why) : command.option(...why);
}

export function handlingOf({ author, reason }: HandlingFlags): Handling {
  return { author: author ?? userInfo().username, reason: reason ?? null };
}
