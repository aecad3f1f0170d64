import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Real processes run what is built: never yesterday's. */
export default function setUp(): void {
  execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/set-up.js', import.meta.url))], {
    stdio: 'inherit',
  })
}
