import { pino } from 'pino';

/** Facts that vary, beside a message that does not. */
export type LogAttributes = Record<string, unknown>;

/** What Node code logs to. Messages are constant sentences; what varies goes in the attributes. */
export interface Logger {
  debug(message: string, attributes?: LogAttributes): void;
  info(message: string, attributes?: LogAttributes): void;
  warn(message: string, attributes?: LogAttributes): void;
  error(message: string, attributes?: LogAttributes): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A logger that writes JSON lines to standard error. */
export function createLogger(level: LogLevel = 'info'): Logger {
  const logger = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
  const write =
    (name: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, attributes: LogAttributes = {}) =>
      logger[name](attributes, message);
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
