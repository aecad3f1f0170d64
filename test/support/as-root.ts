/** Whether the system lets tests take another user's place, mount and make namespaces. */
export const isRoot = process.platform === 'linux' && process.geteuid?.() === 0

/**
 * For `runIf`: true for root on Linux. Anybody else is told what was left out, since a test that is passed over in
 * silence is taken for one that passed; CI runs as root, and fails where anything was left out.
 *
 * @param what The tests, in words that follow "left out".
 */
export function asRoot(what: string): boolean {
  if (!isRoot) process.stderr.write(`left out, because it needs root on Linux: ${what}\n`)
  return isRoot
}
