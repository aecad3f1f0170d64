// Imports a first token set from a file or standard input. Spends nothing without `--refresh`.
import type { SeedFlags } from './command.js'
import { isUnconfigured, notConfigured } from '../../../core/unconfigured.js'
import { readSeed } from '../../../config/seed-file.js'
import { LOGIN_HINT, TokenError, UsageError } from '../../../core/errors.js'
import { hasKnown } from '../../../core/seed-import.js'
import { instant } from '../../../core/lifetime.js'
import { rfc3339 } from '../../../core/clock.js'
import { expiresAt } from '../../../core/policy.js'
import type { TokenSet } from '../../../core/token-set.js'
import { keepAliveCommand } from '../../next-step.js'
import type { Session } from '../../session.js'
import { readAll } from '../../terminal/input.js'
import type { World } from '../../world.js'

/** Tells a program that nothing was imported, because the exit code is 0 then too. */
const DISREGARDED = 'seed_disregarded'

/** Imports a first token set from an INI file, once. All messages go to standard error. */
export async function seed(session: Session, file: string | undefined, flags: SeedFlags): Promise<void> {
  const { world, voice, config, guard } = session
  if (file === '')
    throw new UsageError('the seed file is given an empty name', { hint: 'hq-token seed FILE' })
  const source = file ?? config.seedFile
  if (source === null && isUnconfigured(config)) throw notConfigured()
  if (source === null)
    throw new UsageError('no seed file named, on the command line or as [seed] file in the config', {
      hint: 'hq-token seed FILE',
    })
  const input =
    source === '-' ? { stdin: await readAll(world.stdin, 'a seed', 'hq-token seed -') } : { path: source }
  const { seed: found, notices } = await readSeed(input, {
    clock: world.clock,
    issuedAt: issueTime(flags.issuedAt),
    defaultLifetime: config.refresh.defaultLifetime,
  })
  const spentAt = typeof found.spentAt === 'number' ? `spent on ${rfc3339(found.spentAt)}` : undefined
  // A spent seed is refused below, and then no other notice about the file helps.
  if (spentAt === undefined || flags.force === true) for (const notice of notices) voice.tell(notice)
  if (spentAt !== undefined && flags.force === true)
    voice.tell({
      level: 'warning',
      message: `${found.source} was ${spentAt}: if another store holds its grant, the server may end the grant at the next refresh`,
    })
  const { set, imported } = await guard.adopt(found, { force: flags.force === true })
  const until = goodUntil(set, world)
  const next = imported ? { hint: keepAliveCommand(world.platform) } : {}
  if (imported)
    voice.tell({
      level: 'info',
      event: 'seed_imported',
      message: `imported ${found.source}; the access token ${until}`,
      ...(flags.refresh !== true && next),
    })
  else if (spentAt !== undefined && !hasKnown(set, found))
    voice.tell({
      level: 'warning',
      event: DISREGARDED,
      message: `${found.source} was disregarded: it was ${spentAt}; the store holds another token set${set.refusedAt === null ? '' : ', which the server has refused'}`,
      ...(set.refusedAt !== null && { hint: LOGIN_HINT }),
    })
  else if (!hasKnown(set, found))
    voice.tell({
      level: 'info',
      event: DISREGARDED,
      message: `${found.source} was disregarded: the store holds another token set already; keep the file, or replace the set in the store with: ${voice.typed(`hq-token seed --force ${source}`)}`,
    })
  else if (set.refusedAt === null)
    voice.tell({
      level: 'info',
      event: DISREGARDED,
      message: `${found.source} was disregarded: it was imported already; the access token in the store ${until}`,
    })
  else
    voice.tell({
      level: 'warning',
      event: DISREGARDED,
      message: `${found.source} was disregarded: it holds the grant that the server has refused`,
      hint: LOGIN_HINT,
    })
  if (flags.refresh === true) {
    const renewed = await guard.refresh()
    voice.tell({
      level: 'info',
      message: `refreshed; the access token ${goodUntil(renewed.set, world)}`,
      ...next,
    })
  } else await warnOfMissingClient(session)
}

function goodUntil({ pair }: TokenSet, { clock }: World): string {
  const at = clock()
  const end = expiresAt(pair, at)
  return end > at.now ? `is good until ${rfc3339(end)}` : 'has expired: the next `get` refreshes it'
}

/** Warns now, because otherwise the first cron job that has to refresh would. */
async function warnOfMissingClient({ client, endpoints, config, voice }: Session): Promise<void> {
  try {
    await endpoints.inAdvance(config.refresh.lockWait * 1000)
    await client()
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    const hint = error.transient ? 'the first refresh tries again' : error.hint
    voice.notice({
      level: 'warning',
      message: `the token cannot be refreshed yet: ${error.message}`,
      ...(hint !== undefined && { hint }),
    })
  }
}

function issueTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = instant(text)
  if (time === undefined)
    throw new UsageError(`--issued-at takes a time as in RFC 3339, or seconds since 1970`, {
      hint: 'hq-token seed --issued-at 2026-11-01T09:30:00Z FILE',
    })
  return time
}
