// Shows how the token sets of all profiles stand, in a line for each. Reads only.
import { ConfigInvalid, StoreBusy, TokenError } from '../../../core/errors.js'
import { mayHang } from '../../../platform/file-systems.js'
import { environmentOfEach, everyProfile, type Profile } from '../../../wiring/profiles.js'
import type { StatusAllReport } from '../../../schemas/status-all.js'
import type { StatusReport } from '../../../schemas/status.js'
import { firstLine, inTurn } from '../../apart.js'
import { inSession, openSession } from '../../session.js'
import { palette, spans, type Span } from '../../terminal/style.js'
import {
  printable,
  printableJson,
  voice,
  writeJson,
  writeOut,
  writeReport,
  type GlobalOptions,
} from '../../terminal/output.js'
import type { World } from '../../world.js'
import type { StatusFlags } from './command.js'
import { isRefreshOver, reported, toneOf } from './status.js'

type Entry = StatusAllReport['profiles'][number]
type Answer = Omit<Entry, 'profile'>

const UNREADABLE = new ConfigInvalid('').code

/** Milliseconds for one profile. It takes fifteen seconds to give up a database that is out of reach. */
const TIMEOUT_MS = 20_000

/** Reads all profiles at once. One that cannot be read, or that hangs, does not hide the others. */
export async function statusOfAll(
  world: World,
  options: GlobalOptions,
  { json }: StatusFlags,
): Promise<void> {
  const { profiles, closed } = everyProfile(options, world)
  const each = { ...world, env: environmentOfEach(world.env) }
  const told = new Set<string>()
  const entries = await Promise.all(
    profiles.map(async (profile): Promise<Entry> => {
      return { profile: profile.name, ...(await answerOf(() => statusOf(profile, each, options, told))) }
    }),
  )
  for (const { isOwn, folder, message } of closed) {
    if (!isOwn) voice(world, options).notice({ level: 'warning', message: `passed over: ${message}` })
    else entries.push({ profile: folder, status: null, error: { code: UNREADABLE, message } })
  }
  const report: StatusAllReport = { format_version: 1, profiles: entries }
  if (json === true) await writeJson(world, report)
  else await writeReport(world, lines(entries, world, await spans()).join(''))
}

async function answerOf(read: () => Promise<Answer>): Promise<Answer> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return { status: null, error: { code: error.code, message: error.message } }
  }
}

/** One profile, for the process that has asked for it. */
export async function answerAsText(world: World, options: GlobalOptions): Promise<void> {
  const answer = await answerOf(() =>
    inSession(world, options, async (session) => ({ status: (await reported(session)).report, error: null })),
  )
  await writeOut(world.stdout, `${printableJson(answer)}\n`)
}

/** @param told Warnings that several profiles share are said once. */
async function statusOf(
  { choice }: Profile,
  world: World,
  options: GlobalOptions,
  told: Set<string>,
): Promise<Answer> {
  if (mayHang(world.platform)) return statusApart(choice, world)
  const wanted = ({ message }: { readonly message: string }): boolean => {
    if (told.has(message)) return false
    told.add(message)
    return true
  }
  const session = openSession(world, { ...options, ...choice }, wanted)
  if (session.config.shared !== null) return statusApart(choice, world)
  return { status: (await reported(session)).report, error: null }
}

async function statusApart({ profile }: Profile['choice'], world: World): Promise<Answer> {
  const args = [...(profile === undefined ? [] : ['--profile', profile]), 'status', '--look']
  const line = await inTurn(() => firstLine(world, args, world.env, TIMEOUT_MS))
  if (line !== undefined) return JSON.parse(line) as Answer
  const { typed } = voice(world, profile === undefined ? {} : { profile })
  throw new StoreBusy(`it could not be read; ${typed('hq-token status')} says why`)
}

function lines(entries: readonly Entry[], world: World, span: Span): string[] {
  const { dim, red } = palette(world)
  const rows = entries.map(({ profile, status, error }) => ({
    name: printable(profile),
    state: status === null ? 'unreadable' : stateOf(status).replace('_', ' '),
    tone: status === null ? red : toneOf(stateOf(status), world),
    rest: status === null ? printable(error?.message ?? '') : restOf(status, span),
  }))
  const width = (column: 'name' | 'state'): number => Math.max(...rows.map((row) => row[column].length))
  const [names, states] = [width('name'), width('state')]
  return rows.map(
    ({ name, state, tone, rest }) =>
      `${`${dim(name.padEnd(names))}  ${tone(state.padEnd(states))}  ${rest}`.trimEnd()}\n`,
  )
}

function stateOf(status: StatusReport): StatusReport['state'] {
  return isRefreshOver(status) ? 'login_required' : status.state
}

function restOf({ access, refresh, last_error: failure }: StatusReport, span: Span): string {
  if (access === null || refresh === null) return ''
  const life = (left: number): string => (left > 0 ? `${span(left)} left` : `over since ${span(-left)}`)
  return [
    `access ${life(access.expires_in)}`,
    `refresh ${refresh.expires_in === null ? 'of unknown end' : life(refresh.expires_in)}`,
    ...(failure === null ? [] : [`failed at ${failure.at} (${printable(failure.code)})`]),
  ].join(', ')
}
