/** Lines that stay beside those that change. */
const CONTEXT = 3;

/**
 * What makes one text of another, a line each: `- ` for what goes, `+ ` for what comes, `  ` for some of what stays, `...` for the rest of
 * it. Empty for texts that are the same.
 */
export function diffLines(before: readonly string[], after: readonly string[]): string[] {
  const lines = allLines(before, after);
  const isChange = lines.map((line) => !line.startsWith('  '));
  if (!isChange.includes(true)) return [];
  const shown = lines.map((_, i) =>
    isChange.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).includes(true),
  );
  return lines.flatMap((line, i) => {
    if (shown[i]) return [line];
    return i === 0 || shown[i - 1] ? ['...'] : [];
  });
}

/** By the longest common subsequence: rules have some hundred lines. */
function allLines(before: readonly string[], after: readonly string[]): string[] {
  const length = before.map(() => new Uint32Array(after.length + 1));
  length.push(new Uint32Array(after.length + 1));
  const at = (i: number, j: number) => length[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1) {
    const row = length[i] as Uint32Array;
    for (let j = after.length - 1; j >= 0; j -= 1) {
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(`  ${before[i]}`);
      i += 1;
      j += 1;
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`- ${before[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${after[j]}`);
      j += 1;
    }
  }
  return lines;
}
