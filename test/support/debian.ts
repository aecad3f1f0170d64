import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const UNPACKED = fileURLToPath(new URL('../../node_modules/.cache/debian', import.meta.url))
const INSTALL = fileURLToPath(new URL('../../.ci/install', import.meta.url))

/**
 * A test against a real program shows nothing without it: what is missing is installed, and what cannot be
 * had is a failure.
 *
 * @param programs Each by its name or by the path of a file, with the Debian package that holds it where that is called
 *   otherwise.
 * @throws {Error}
 */
export function requirePrograms(
  ...programs: readonly (string | readonly [program: string, pkg: string])[]
): void {
  const named = programs.map((one) => (typeof one === 'string' ? ([one, one] as const) : one))
  const missing = (): string[] => named.flatMap(([program, pkg]) => (isThere(program) ? [] : [pkg]))
  if (missing().length === 0) return
  if (process.platform === 'linux' && process.geteuid?.() === 0) {
    // Test files run side by side, and apt-get does not wait for another one.
    const lock = join(tmpdir(), 'hq-token-apt.lock')
    spawnSync('flock', [lock, 'bash', INSTALL, ...missing()], { timeout: 290_000 })
  }
  const still = missing()
  if (still.length > 0)
    throw new Error(`these tests need ${still.join(', ')}: apt-get install ${still.join(' ')}`)
}

function isThere(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1" || [ -e "$1" ]', 'sh', program]).status === 0
}

/**
 * Lays a package out in a folder of its own, for a program whose installation would bring what no test needs: a mail
 * server, say. The folder stays for later runs.
 *
 * @returns The folder, as the root of the package's paths.
 * @throws {Error}
 */
export function unpacked(name: string): string {
  const place = join(UNPACKED, name)
  const script = `mkdir -p "$2"; dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
apt-get download "$1" || { apt-get update; apt-get download "$1"; }
dpkg -x ./*.deb out; mv -T out "$2/$1"`
  if (!existsSync(place)) spawnSync('sh', ['-euc', script, 'sh', name, UNPACKED], { timeout: 290_000 })
  if (!existsSync(place)) throw new Error(`this test needs the package ${name}: apt-get download ${name}`)
  return place
}
