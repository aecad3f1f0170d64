// The version of this package, as package.json has it.
import { readFileSync } from 'node:fs'

/** The package's version; its `package.json` lies one folder up, in `src` as in `dist`. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
