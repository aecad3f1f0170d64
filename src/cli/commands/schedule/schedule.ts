// Prints what keeps the grant alive, or writes it with --dir. Enables nothing, and starts nothing.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { seconds, short } from '../../../core/duration.js'
import { OutputFailed, UsageError } from '../../../core/errors.js'
import type { Host } from '../../../core/host.js'
import type { Notice } from '../../../core/ports.js'
import { errnoOf } from '../../../platform/errno.js'
import { rightsHint } from '../../../platform/files.js'
import { keepAlive, type KeepAlive } from '../../../wiring/keep-alive.js'
import { around } from '../../session.js'
import { replaceFile } from '../../terminal/output-file.js'
import { voice, writeOut, type GlobalOptions } from '../../terminal/output.js'
import type { World } from '../../world.js'
import { type ScheduleFlags, type Target } from './command.js'
import { crontab, MOST } from './cron.js'
import { propertyList } from './launchd.js'
import { nextSteps } from './next-steps.js'
import { commandLine, isBelow, type Plan, type Printed } from './plan.js'
import { HOMES, systemdUnits } from './systemd.js'
import { taskScript } from './windows.js'

const DAY = 86_400

/** The places of a unit of the machine. */
const MACHINE = { config: '/etc/hq-token', state: '/var/lib/hq-token' }

/**
 * Prints or writes what runs `refresh` daily. The same words and files give the same bytes each time.
 *
 * @throws {UsageError} for options that the target does not take, and for names that it cannot carry.
 * @throws {OutputFailed}
 */
export async function schedule(
  world: World,
  options: GlobalOptions,
  target: Target,
  flags: ScheduleFlags,
): Promise<void> {
  assertTaken(target, flags)
  const { notice, tell } = voice(world, options)
  const runAs = machineUser(world, target, flags)
  const isOwn = runAs === undefined || runAs === world.user().username
  const places = keepAlive(
    options,
    around(world, voice(world, options), silently),
    isOwn ? undefined : MACHINE,
  )
  const plan = {
    ...planOf(world, places, flags),
    ...{ runAs, isOwn },
    again: (changes: Partial<ScheduleFlags> = {}) => commandLine(target, { ...flags, ...changes }),
    sudo: runAs !== undefined && world.user().uid !== 0 ? 'sudo ' : '',
  }
  assertPlain(plan)
  const files = printed(target, plan)
  for (const warning of await warnings(plan, places, target, flags)) notice(warning)
  if (flags.dir === undefined) {
    const [only, ...more] = files
    // A comment begins with `#` in both of systemd's units.
    const text = files.map(({ folder, file, text }) => `# ${folder}/${file}\n${text}`).join('\n')
    await writeOut(world.stdout, more.length > 0 ? text : (only?.text ?? ''))
  } else for (const said of await write(resolve(flags.dir), files, flags, plan)) tell(said)
  // A line that goes through a pipe is on its way into the crontab: another one would run twice.
  if (target === 'cron' && flags.dir === undefined && world.stdout.isTTY !== true) return
  for (const step of nextSteps(target, plan, files, flags.dir)) tell(step)
}

const silently = (): boolean => false

/** @throws {UsageError} */
function assertTaken(target: Target, flags: ScheduleFlags): void {
  const { system, user, runAs, dir, force } = flags
  const hint = 'hq-token schedule --help'
  const other = [system && '--system', user && '--user', runAs !== undefined && '--run-as'].find((one) => one)
  if (other && (target === 'cron' || target === 'windows'))
    throw new UsageError(
      `${other} is for systemd and launchd: ${target} runs it as the user who sets it up`,
      { hint },
    )
  if (force === true && dir === undefined)
    throw new UsageError('--force replaces files, and needs --dir', { hint })
  if (dir === '')
    throw new UsageError('--dir is given an empty name', {
      hint: commandLine(target, { ...flags, dir: '.' }),
    })
}

/** macOS has a `_` before the names of accounts that nobody logs in to. */
const USUAL_USER: Readonly<Record<Target, string>> = {
  ...{ systemd: 'hq-token', cron: 'hq-token', windows: 'hq-token' },
  launchd: '_hq-token',
}

/** The user of a unit of the machine; `undefined` for a unit of the user who runs this. */
function machineUser({ user }: World, target: Target, flags: ScheduleFlags): string | undefined {
  const isMachine = flags.system === true || flags.runAs !== undefined
  const isUsual = target === 'systemd' && flags.user !== true && user().uid === 0
  return isMachine || isUsual ? (flags.runAs ?? USUAL_USER[target]) : undefined
}

function planOf(
  { program, host, homedir }: World,
  { profile, configFile, variables, reads, writes, store }: KeepAlive,
  { ifOlder, at }: ScheduleFlags,
): Omit<Plan, 'runAs' | 'isOwn' | 'again' | 'sudo'> {
  const { node, script } = program()
  const [hour = 0, minute = 0] = at === undefined ? nightly(host(), store) : at.split(':').map(Number)
  return {
    name: `hq-token${profile === undefined ? '' : `-${profile}`}`,
    profile,
    words: [
      ...[node, script],
      ...(configFile === undefined ? [] : ['--config', configFile]),
      ...(profile === undefined ? [] : ['--profile', profile]),
      ...['refresh', '--if-older', ifOlder],
    ],
    ...{ variables, reads, writes, hour, minute },
    home: homeOf(homedir),
  }
}

function homeOf(homedir: World['homedir']): string | undefined {
  try {
    return homedir()
  } catch {
    return undefined
  }
}

/**
 * A minute between 03:00 and 05:59, by host and store: so a fleet does not knock at once. These hours are there once
 * also on the days on which clocks change.
 */
function nightly({ id, name }: Host, store: string): [hour: number, minute: number] {
  const hash = createHash('sha256')
    .update(`${id ?? name}\n${store}`)
    .digest()
  const minute = hash.readUInt32BE() % 180
  return [3 + Math.floor(minute / 60), minute % 60]
}

/** @throws {UsageError} for a name that no file of the four can carry. */
function assertPlain({ words, variables, reads, writes }: Plan): void {
  const [node, script, ...rest] = words
  const named: readonly (readonly [what: string, text: string | undefined])[] = [
    ['the path of Node', node],
    ['the path of hq-token', script],
    ['the config file', rest[rest.indexOf('--config') + 1]],
    ...Object.entries(variables),
    ...[...reads, ...writes].map((path) => ['a folder of the configuration', path] as const),
  ]
  for (const [what, text] of named)
    if (text !== undefined && /\p{Cc}/u.test(text))
      throw new UsageError(`${what} holds a line break or another control character: ${text}`, {
        hint: 'give it another name: no unit, crontab or task can carry this one',
      })
}

/** @throws {UsageError} for a line that cron would refuse. */
function printed(target: Target, plan: Plan): readonly Printed[] {
  if (target === 'systemd') return systemdUnits(plan)
  if (target === 'launchd') return [propertyList(plan)]
  if (target === 'windows') return [taskScript(plan)]
  const line = crontab(plan)
  if (line.text.split('\n').some((one) => Buffer.byteLength(one) > MOST))
    throw new UsageError(`the line would be longer than the ${MOST} bytes that cron takes`, {
      hint: 'put hq-token or its configuration into a folder with a shorter path',
    })
  return [line]
}

async function warnings(
  { words: [node = '', script = ''], reads, writes, home, runAs, again }: Plan,
  { left, problem, refreshLife }: KeepAlive,
  target: Target,
  { ifOlder }: ScheduleFlags,
): Promise<readonly Notice[]> {
  const said: Notice[] = []
  const warn = (message: string, hint: string): void => {
    said.push({ level: 'warning', message, hint })
  }
  const homes = [...HOMES, '/Users', ...(home === undefined || home === '/' ? [] : [home])]
  const inHome = (path: string): boolean => homes.some((folder) => isBelow(path, folder))
  const program = [node, script].find((path) => inHome(path) || path.includes('/Cellar/'))
  if (program !== undefined)
    warn(
      `${program} belongs to one user or one version: an update of Node may take it away, and then no run starts`,
      'install Node and hq-token for the machine, or run this command again after each update',
    )
  const place = runAs === undefined ? undefined : [...reads, ...writes].find(inHome)
  if (place !== undefined)
    warn(
      `${place} is below a home folder, so the unit has ProtectHome=read-only`,
      'keep the configuration in /etc/hq-token and the store in /var/lib/hq-token',
    )
  if (left.length > 0)
    warn(
      `${left.join(', ')} ${left.length > 1 ? 'are' : 'is'} set in this shell, and a scheduled run does not see that`,
      'put it into the config file: hq-token init writes one',
    )
  if (problem !== undefined) warn(`no run can refresh yet: ${problem}`, 'hq-token doctor')
  const life = await refreshLife()
  if (life !== undefined && life < 2 * DAY)
    warn(
      `the refresh token lives ${short(life)}, and a run each day is too seldom: the grant would end between two of them`,
      oftener(life, target, again),
    )
  else if (life !== undefined && (seconds(ifOlder) ?? 0) >= life / 2)
    warn(
      `--if-older ${ifOlder} is half of what the refresh token lives (${Math.floor(life)} s) or more: one failure could end the grant`,
      again({ ifOlder: `${Math.max(1, Math.floor(life / 10))}s` }),
    )
  return said
}

/** Four runs in the life of the refresh token, in the words of the target. */
function oftener(life: number, target: Target, again: Plan['again']): string {
  const minutes = Math.max(1, Math.floor(life / 4 / 60))
  const hours = Math.floor(minutes / 60)
  const [cron, calendar] =
    hours > 0 ? [`0 */${hours} * * *`, `*-*-* 0/${hours}:00`] : [`*/${minutes} * * * *`, `*:0/${minutes}`]
  const every = hours > 0 ? hours * 60 : minutes
  const change = {
    systemd: `in the timer OnCalendar=${calendar} and RandomizedDelaySec=0`,
    cron: `at the begin of the line ${cron}`,
    launchd: `in the place of StartCalendarInterval StartInterval, an integer of ${every * 60}`,
    windows: `in the place of -Daily -At …: -Once -At 00:00 -RepetitionInterval (New-TimeSpan -Minutes ${every})`,
  }[target]
  return `${again({ ifOlder: `${Math.max(1, Math.floor(every / 2))}m` })}; then write ${change}`
}

/** Looks at all files before it writes one. */
async function write(
  folder: string,
  files: readonly Printed[],
  { force }: ScheduleFlags,
  { again }: Plan,
): Promise<readonly Notice[]> {
  const found = files.map(({ file, text }) => ({
    path: join(folder, file),
    text,
    old: content(join(folder, file)),
  }))
  const other = found.find(({ old, text }) => old !== undefined && old !== text)
  if (other !== undefined && force !== true)
    throw new UsageError(`${other.path} is there already and says something else`, {
      hint: `compare the two; --force replaces it: ${again({ force: true })}`,
    })
  const notices: Notice[] = []
  for (const { path, text, old } of found) {
    if (old !== text) {
      try {
        // As a shell makes it: a package may hold it.
        mkdirSync(folder, { recursive: true })
      } catch (error) {
        throw unusable(path, error)
      }
      await replaceFile(path, text, 0o644)
    }
    notices.push({ level: 'info', message: old === text ? `${path} says this already` : `wrote ${path}` })
  }
  return notices
}

function content(path: string): string | undefined {
  try {
    // Reading a pipe would wait for good.
    if (!statSync(path).isFile()) throw new OutputFailed(`${path} is no regular file`, { hint: rightsHint(path) })
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof OutputFailed) throw error
    if (errnoOf(error) === 'ENOENT') return undefined
    throw unusable(path, error)
  }
}

function unusable(path: string, cause: unknown): OutputFailed {
  return new OutputFailed(`${path} cannot be used (${errnoOf(cause)})`, { hint: rightsHint(path), cause })
}
