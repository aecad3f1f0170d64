import { readdirSync, readFileSync } from 'node:fs'

/** Looks at every command line of the machine, as any user can, over and over until it is stopped. */
export function watchProcessList(): { readonly stop: () => string } {
  const seen = new Set<string>()
  const look = (): void => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        seen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
      } catch {
        // It has ended.
      }
    }
  }
  const timer = setInterval(look, 10)
  return {
    stop: () => {
      clearInterval(timer)
      return [...seen].join('\n')
    },
  }
}
