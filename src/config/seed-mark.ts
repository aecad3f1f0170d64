// The mark beside a seed file that says that its refresh token is spent. It holds a fingerprint and a time, never a
// token. Only a mark is ever replaced: another file under its name stays as it is.
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { rfc3339 } from '../core/clock.js'
import { syncName } from '../platform/files.js'
import { whileHeld } from '../platform/held-files.js'
import type { SpentSeed } from '../core/token-set.js'

const FIRST_LINE = '# hq-token: the seed file beside this one is spent.'
/** Bytes: a mark is shorter. */
const TOO_MANY = 4096
/** As many links as Linux follows. */
const MOST_LINKS = 40
/** Paths of descriptors: they are open already, and a mark beside them could not be found again. */
const DESCRIPTOR = /^\/(?:dev\/(?:stdin|fd\/.*)|proc\/[^/]+\/(?:task\/[^/]+\/)?fd\/.*)$/

/** The mark lies beside the name that was given, even if that is a link, because it is looked for by that name. */
export function markPath(seed: string): string {
  return `${seed}.spent`
}

/** The name by which a seed is found again, absolute; `null` for a descriptor such as `/dev/stdin`. */
export function lastingPath(path: string): string | null {
  const lasting = resolve(path)
  let place = lasting
  for (let links = 0; links < MOST_LINKS; links++) {
    if (DESCRIPTOR.test(place)) return null
    try {
      place = resolve(dirname(place), readlinkSync(place))
    } catch {
      return lasting
    }
  }
  return lasting
}

function realPathOf(seed: string): string {
  try {
    return realpathSync(seed)
  } catch {
    return seed
  }
}

/** When this refresh token was spent, in epoch seconds; `null` if no readable mark says so. */
export function markedAt(seed: string, fingerprint: string): number | null {
  // Look beside the name as it is given, and beside the file that a link leads to.
  for (const place of new Set([seed, realPathOf(seed)])) {
    const found = lookAt(markPath(place))
    if (found.kind === 'mark' && found.spent.fingerprint === fingerprint) return found.spent.spentAt
  }
  return null
}

/**
 * Marks the seed, whole or not at all. Everybody may read the mark, whatever the umask, because all who may read
 * the seed must not import it again.
 */
export function putMark(seed: string, spent: SpentSeed): 'put' | 'there' | { readonly failure: string } {
  const path = markPath(seed)
  const found = lookAt(path)
  if (found.kind === 'mark' && found.spent.fingerprint === spent.fingerprint) return 'there'
  if (found.kind === 'other') return { failure: found.failure }
  const draft = join(dirname(path), `.hq-token-${randomBytes(6).toString('hex')}`)
  try {
    writeNew(draft, markText(spent))
    whileHeld(() => {
      renameSync(draft, path)
    })
  } catch (error) {
    rmSync(draft, { force: true })
    return { failure: reasonOf(error) }
  }
  syncName(dirname(path))
  return 'put'
}

/** Why no mark can be put beside a seed; `undefined` if nothing stands against it. */
export function barrierToMark(seed: string): string | undefined {
  const path = markPath(seed)
  const found = lookAt(path)
  if (found.kind === 'other') return found.failure
  try {
    accessSync(dirname(path), constants.W_OK)
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}

function markText({ fingerprint, spentAt }: SpentSeed): string {
  return `${FIRST_LINE}
# Its refresh token was replaced, or its grant was ended. Importing it again could end the grant that came from
# it, so hq-token does not import it. This file holds no token. Remove the seed file and this file.
fingerprint = ${fingerprint}
spent_at = ${rfc3339(spentAt)}
`
}

type Found =
  | { readonly kind: 'mark'; readonly spent: SpentSeed }
  /** Nothing, or what is left of a mark. */
  | { readonly kind: 'none' }
  | { readonly kind: 'other'; readonly failure: string }

/** Follows no link and does not wait, because in a folder that many may write to, anything may lie under that name. */
function lookAt(path: string): Found {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return { kind: 'none' }
    const text = stats.isFile() ? readSmall(path) : undefined
    if (text === undefined || !(text === '' || text.startsWith(FIRST_LINE)))
      return { kind: 'other', failure: `${path} exists and is not a mark of hq-token` }
    const [, fingerprint] = /^fingerprint = ([0-9a-f]{12})$/m.exec(text) ?? []
    const [, time = ''] = /^spent_at = (\S+)$/m.exec(text) ?? []
    const spentAt = Math.floor(Date.parse(time) / 1000)
    const isWhole = fingerprint !== undefined && !Number.isNaN(spentAt)
    return isWhole ? { kind: 'mark', spent: { fingerprint, spentAt } } : { kind: 'none' }
  } catch (error) {
    return { kind: 'other', failure: `${path}: ${reasonOf(error)}` }
  }
}

/** `undefined` if it is no regular file, or a large one. */
function readSmall(path: string): string | undefined {
  // Windows has neither, whatever the types say.
  const { O_NOFOLLOW, O_NONBLOCK } = constants as Partial<typeof constants>
  const fd = openSync(path, constants.O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0))
  try {
    const stats = fstatSync(fd)
    return stats.isFile() && stats.size < TOO_MANY ? readFileSync(fd, 'utf8') : undefined
  } finally {
    closeSync(fd)
  }
}

function writeNew(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o644)
  try {
    if (process.platform !== 'win32') fchmodSync(fd, 0o644)
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk is full',
  ENAMETOOLONG: 'the name is too long',
  EBUSY: 'another program holds it open',
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  return REASONS[code] ?? code
}
