// What the commands share: results, notes, progress lines, tables, signals.

import Table from 'cli-table3';

/** Writes a note for people, to standard error. */
export function note(line: string): void {
  clearProgress();
  process.stderr.write(`${line}\n`);
}

let isProgressShown = false;

/** Shows one line that the next one replaces; nothing where standard error is no terminal. */
export function progress(line: string): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\u001b[2K${line}`);
  isProgressShown = true;
}

function clearProgress(): void {
  if (!isProgressShown) return;
  process.stderr.write('\r\u001b[2K');
  isProgressShown = false;
}

/** Writes a result, for people or as JSON for scripts, to standard output. */
export function print(text: string): void {
  clearProgress();
  process.stdout.write(`${text}\n`);
}

/** A table as text. Numbers stand to the right. */
export function table(head: string[], rows: (string | number)[][]): string {
  const colAligns = head.map((_, i) =>
    rows.every((row) => typeof row[i] === 'number') ? ('right' as const) : ('left' as const),
  );
  const made = new Table({ head, colAligns, style: { head: [], border: [] } });
  made.push(...rows.map((row) => row.map(String)));
  return made.toString();
}

/** The exit code of a command that was interrupted before its end, as shells have it. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;

/**
 * Aborts at the first Ctrl-C or SIGTERM, so that the command can stop what it started; a second one
 * ends the process at once. The reason is the signal's name.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (name: StopSignal) => {
    if (controller.signal.aborted) process.exit(EXIT_CODES[name]);
    controller.abort(name);
    note('Stopping (once more to stop at once)');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/** Says by the exit code that the command was interrupted before its end. */
export function exitInterrupted(signal: AbortSignal): void {
  process.exitCode = EXIT_CODES[signal.reason as StopSignal];
}

/** Resolves when the signal is aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
