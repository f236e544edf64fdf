// Mail addresses, as people write them: `ann@example.com`, `Ann <ann@example.com>`.

export interface Address {
  /** Empty where there is none. */
  readonly name: string;
  readonly address: string;
}

export const ADDRESS_LENGTH_MAX = 254;
const ADDRESS =
  /^[^\s\p{Cc}@<>()[\]\\,;:"]+@[^\s\p{Cc}@<>()[\]\\,;:".]+(\.[^\s\p{Cc}@<>()[\]\\,;:".]+)*$/u;
const NAMED = /^(?:"([^"\\<>\p{Cc}]*)"|([^"\\<>@,;:\p{Cc}]*))\s*<([^<>]+)>$/u;

/** @returns null for anything but one address */
export function addressOf(text: string): Address | null {
  const [, quoted, plain, inBrackets] = NAMED.exec(text.trim()) ?? [];
  const address = inBrackets ?? text.trim();
  if (address.length > ADDRESS_LENGTH_MAX || !ADDRESS.test(address)) return null;
  return { name: (quoted ?? plain ?? '').trim(), address };
}
