/**
 * An address that may be shown. It is cut as text, because one that is no URL (a password with `/` or `@`
 * in it, say) is shown as well: everything up to the last `@` belongs to the password.
 */
export function withoutPassword(address: string): string {
  return address
    .replace(/^([a-z][\w+.-]*:\/\/[^:@/?#]*):.*@/is, '$1@')
    .replace(/(password=)[^&\s]*/gi, '$1***');
}
