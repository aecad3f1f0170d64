// Prints what `examine` finds, line by line. Judges nothing itself but the exit code.
import type { DoctorOptions } from './command.js'
import { isUnconfigured } from '../../../core/unconfigured.js'
import { skip, type Finding } from '../../../core/finding.js'
import { Exit, LOGIN_HINT } from '../../../core/errors.js'
import { examine, sharedStoreSql } from '../../../wiring/examine.js'
import type { DoctorReport } from '../../../schemas/doctor.js'
import { assertMayOpen } from '../../../platform/open-files.js'
import { around } from '../../session.js'
import { grantChecks } from './grant-findings.js'
import { columnsOf, palette, spans } from '../../terminal/style.js'
import {
  printable,
  voice,
  writeJson,
  writeReport,
  type GlobalOptions,
  type Voice,
} from '../../terminal/output.js'
import { nextCommand } from '../../next-step.js'
import type { World } from '../../world.js'

/**
 * Checks what can be checked without spending the refresh token, one line for each finding. It also runs if the
 * configuration cannot be read, because that is when people run it.
 *
 * @returns The exit code of the first failure.
 * @throws {UsageError} if the profile's name is not a name of a profile.
 * @throws {StoreUnusable} if this process may open too few files.
 */
export async function doctor(
  world: World,
  options: GlobalOptions,
  { json = false, online = false, sql = false }: DoctorOptions,
): Promise<number> {
  if (sql) {
    await writeReport(world, await sharedStoreSql())
    return Exit.ok
  }
  // Else it finds faults of the store and of servers that neither has.
  assertMayOpen(FILES_AT_ONCE)
  const speaker = voice(world, options)
  const checks: Finding[] = []
  for await (const more of examined(world, options, online)) {
    checks.push(...more)
    if (!json) await spoken(more, world, speaker)
  }
  if (json) await writeJson(world, reported(checks, speaker))
  return checks.find(({ status }) => status === 'fail')?.exit ?? Exit.ok
}

/** Yields what is known here first, so that it does not wait for the network. */
export async function* examined(
  world: World,
  options: GlobalOptions,
  online: boolean,
): AsyncGenerator<readonly Finding[]> {
  const at = world.clock()
  const { here, config, storeName, named, content, policy, seed, history, servers } = await examine(
    options,
    around(world, voice(world, options)),
  )
  const grant =
    content === undefined || policy === undefined || named === undefined
      ? []
      : grantChecks(
          content,
          seed,
          { ...at, span: await spans() },
          {
            ...{ policy, named, history, apiUrl: config?.apiUrl ?? null },
            store: storeName,
          },
        )
  const way = config === undefined ? LOGIN_HINT : nextCommand(config, content?.login, at.now)
  const isBare = config !== undefined && isUnconfigured(config) && content?.set === undefined
  const ofGrant = isBare ? [skip('login', 'no token set yet: fix the configuration first')] : grant
  yield [...here, ...ofGrant].map(({ hint, ...check }) => ({
    ...check,
    // The reader has just run `hq-token doctor`.
    ...(hint !== undefined && !hint.endsWith('hq-token doctor') && { hint: hint.replace(LOGIN_HINT, way) }),
  }))
  yield await servers(online)
}

function reported(checks: readonly Finding[], { typed }: Voice): DoctorReport {
  return {
    format_version: 1,
    checks: checks.map(({ name, status, message, hint, exit }) => ({
      ...{ name, status, message },
      hint: hint === undefined ? null : typed(hint),
      exit: exit ?? null,
    })),
  }
}

/** A database with its journal and its lock, and connections to the servers: with room to spare. */
const FILES_AT_ONCE = 12

const STATUS_WIDTH = 7
const NAME_WIDTH = 15
/** Columns: if fewer are left beside the names, the words go below them. */
const NARROW = 72

export function spoken(checks: readonly Finding[], world: World, { typed }: Voice): Promise<void> {
  const { dim, green, yellow, red, bold } = palette(world)
  const tones = { ok: green, warn: yellow, fail: (text: string) => bold(red(text)), skip: dim }
  const columns = columnsOf(world.stdout)
  const lines = checks.flatMap(({ name, status, message, hint }) => {
    const next = hint === undefined ? [] : [`${indented(STATUS_WIDTH)}→ ${printable(typed(hint))}`]
    const isNarrow = columns !== undefined && columns < NARROW
    const indent = indented(isNarrow ? STATUS_WIDTH : STATUS_WIDTH + NAME_WIDTH)
    const [first = '', ...rest] = wrapped(
      printable(message),
      columns === undefined ? Infinity : columns - indent.length,
    )
    const title = `${tones[status](status.padEnd(STATUS_WIDTH))}${dim(isNarrow ? name : name.padEnd(NAME_WIDTH))}`
    const body = isNarrow ? [title, `${indent}${first}`] : [`${title}${first}`]
    return [...body, ...rest.map((line) => `${indent}${line}`), ...next]
  })
  return writeReport(world, lines.map((line) => `${line}\n`).join(''))
}

function indented(columns: number): string {
  return ' '.repeat(columns)
}

/** Breaks the words into lines of a width, if they have places to break. In a pipe there is one line. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.pop()
    if (line === undefined) lines.push(word)
    else if (line.length + 1 + word.length <= width) lines.push(`${line} ${word}`)
    else lines.push(line, word)
  }
  return lines
}
