// Numbers of things, in words.

/** `1 event`, `2 events`. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** `2 update, 1 delete`; empty where nothing was counted. */
export function countedByName(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
