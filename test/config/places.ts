import fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConfigSource } from '../../src/config/settings.js'
import { TokenError } from '../../src/core/errors.js'
import { folder } from '../support/folder.js'

/** A file of its own, private unless said otherwise. */
export function written(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder(), name)
  writeFileSync(path, content, { mode })
  return path
}

/** What `loadConfig` needs, with nothing in it but what a test puts there. */
export function sourceOf(parts: {
  file?: string
  env?: Record<string, string>
  profile?: string
}): ConfigSource {
  return {
    file: parts.file === undefined ? undefined : { path: parts.file, rule: '--config' },
    profile: parts.profile,
    env: parts.env ?? {},
    platform: 'linux',
    homedir: () => '/home/someone',
  }
}

/** All words of an expected failure. */
export function words(error: unknown): string {
  if (!(error instanceof TokenError)) throw error
  return [error.message, error.hint, error.stack, JSON.stringify(error)].join('\n')
}

/** The failure of a call that must fail. */
export async function failure(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

/** A file in which something was cut out or put in. */
export function mutation(text: string): fc.Arbitrary<Uint8Array> {
  const original = Buffer.from(text)
  const at = fc.nat(original.length)
  const inserted = fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.constantFrom('\n', '=', '[', ']', '"', ' ;', '\0', '\n ').map((text) => Buffer.from(text)),
  )
  return fc
    .tuple(at, fc.nat(12), inserted)
    .map(([position, removed, added]) =>
      Buffer.concat([original.subarray(0, position), added, original.subarray(position + removed)]),
    )
}
