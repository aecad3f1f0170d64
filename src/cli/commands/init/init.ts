// Writes a config file from flags and answers. Shows the secret nowhere.
import type { InitFlags } from './command.js'
import { dirname, resolve } from 'node:path'
import { FileProblem } from '../../../config/file.js'
import { decode, iniValue } from '../../../config/ini.js'
import { configKeys, nameOf, type KeyName } from '../../../config/keys.js'
import { loadConfig } from '../../../config/load.js'
import { locateNew } from '../../../config/locate.js'
import { variable } from '../../../config/paths.js'
import { read, type SupportedKey } from '../../../config/schema.js'
import type { Texts } from '../../../config/write.js'
import { ConfigInvalid, OutputFailed, UsageError } from '../../../core/errors.js'
import { Secret } from '../../../core/secret.js'
import { ofForeignFolder } from '../../../platform/files.js'
import { dieBy } from '../../../platform/signals.js'
import { readAll } from '../../terminal/input.js'
import { voice, type GlobalOptions, type Voice } from '../../terminal/output.js'
import { nextCommand } from '../../next-step.js'
import { examined, spoken } from '../doctor/doctor.js'
import { QuestionsBroken, Questions } from './questions.js'
import { isTaken, taken, write } from './write-config.js'
import type { World } from '../../world.js'
import { hints } from '../../../platform/hints.js'

/** The texts for the file, by their keys. The secret is apart, so that it is not printed with the others. */
interface Answers {
  readonly texts: Map<ClientKey, string>
  secret: Secret | undefined
}

type ClientKey = Extract<SupportedKey, `client.${string}`>

const SECRET = 'client.client_secret'
/** The sources of the secret: at most one of them is set. */
const SOURCES = [SECRET, 'client.client_secret_file', 'client.client_secret_command'] as const
const REDIRECT_URI = 'http://127.0.0.1:8765/callback'
const SECRET_FLAGS = '--client-secret - (or --client-secret-file, --client-secret-command)'
const EXAMPLE = hints.fed('hq-token init --instance https://HOST/INSTANCE/ --client-id ID --client-secret -')

/**
 * Writes a config file from flags, and asks for the rest.
 *
 * @returns The exit status if a person has broken it off.
 */
export async function init(
  world: World,
  options: GlobalOptions,
  flags: InitFlags,
): Promise<number | undefined> {
  const speaker = voice(world, options)
  const location = locateNew(options, world)
  for (const notice of location.notices ?? []) speaker.notice(notice)
  const { path } = location.file
  // Check before any question; `put` checks again when the file is put in place.
  if (flags.force !== true && isTaken(path)) throw taken(path)
  const refusal = ofForeignFolder(dirname(path), '--config FILE')
  if (refusal !== undefined) throw new OutputFailed(...refusal)

  const answers = await given(world, flags)
  try {
    await complete(answers, world, speaker, path)
  } catch (error) {
    if (!(error instanceof QuestionsBroken)) throw error
    if (error.by === 'end')
      throw new UsageError('the questions were not all answered; nothing was written', { hint: EXAMPLE })
    speaker.tell({ level: 'info', message: 'nothing was written' })
    return dieBy('SIGINT')
  }

  const texts = withSecret(answers)
  await write(path, texts, { world, tell: speaker.tell, force: flags.force === true })
  warnOfVariables(texts, world, speaker)
  if (flags.doctor !== false) await tried(world, options, speaker)
  const hint = nextStep({ ...world, ...location }, world.clock().now)
  // Say it last, because the end is what a person sees.
  speaker.tell({ level: 'info', message: `wrote ${path}`, hint })
  return undefined
}

/** If the environment spoils what was written, `doctor` and every command say so. */
function nextStep(source: Parameters<typeof loadConfig>[0], now: number): string {
  try {
    return nextCommand(loadConfig(source), undefined, now)
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    return 'hq-token doctor'
  }
}

/**
 * Shows the person what doctor finds; the file is written in any case. It leaves out that there is no token set
 * yet.
 */
async function tried(world: World, options: GlobalOptions, speaker: Voice): Promise<void> {
  for await (const checks of examined(world, options, false)) {
    const found = checks.filter(({ name }) => name !== 'login')
    if (options.logFormat !== 'json') await spoken(found, { ...world, stdout: world.stderr }, speaker)
    else
      for (const { name, status, message, hint } of found)
        speaker.tell({
          level: status === 'warn' || status === 'fail' ? 'warning' : 'info',
          message: `${name}: ${message}`,
          ...(hint !== undefined && { hint }),
        })
  }
}

/** Reads and checks what the flags and standard input give. */
async function given(world: World, flags: InitFlags): Promise<Answers> {
  const texts = new Map<ClientKey, string>()
  for (const [name, flag] of Object.entries(FLAGS) as [ClientKey, keyof typeof flags][]) {
    const text = flags[flag]
    if (typeof text !== 'string' || name === SECRET) continue
    // The path was typed in this folder, but in the file it would be relative to the file's folder.
    const answer = name === 'client.client_secret_file' && !/^~[/\\]|^$/.test(text) ? resolve(text) : text
    const wrong = problem(name, answer)
    if (wrong !== undefined)
      throw new UsageError(`${flagOf(name)} ${wrong}`, { hint: 'hq-token init --help' })
    texts.set(name, answer)
  }
  const named = SOURCES.filter((name) => flags[FLAGS[name]] !== undefined).map(flagOf)
  if (named.length > 1)
    throw new UsageError(`${named.join(' and ')} exclude one another`, { hint: 'keep one of them' })
  if (named[0] !== undefined && flags.authMethod === 'none')
    throw new UsageError(`${named[0]} is given, and --auth-method none has no secret`, {
      hint: 'take one of the two out',
    })
  return {
    texts,
    secret: flags.clientSecret === undefined ? undefined : await readSecret(world, flags.clientSecret),
  }
}

async function readSecret(world: World, where: string): Promise<Secret> {
  if (where !== '-')
    throw new UsageError('--client-secret takes the secret from standard input only', {
      hint: 'as an argument it is in the process list and in the shell’s history; write --client-secret - and send it there',
    })
  const bytes = await readAll(world.stdin, 'the client secret', 'hq-token init --client-secret -')
  let text: string
  try {
    text = decode(bytes).replace(/\r?\n$/, '')
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    throw new UsageError('the client secret on standard input is not text', { hint: EXAMPLE })
  }
  const wrong = problem(SECRET, text)
  if (wrong !== undefined)
    throw new UsageError(`the client secret on standard input ${wrong}`, { hint: EXAMPLE })
  return new Secret(text)
}

/**
 * Adds what the flags have left open.
 *
 * @throws {UsageError} where there is no terminal to ask at, naming all that is missing.
 * @throws {QuestionsBroken}
 */
async function complete(answers: Answers, world: World, speaker: Voice, path: string): Promise<void> {
  const { texts } = answers
  const needsServer = !(['client.instance', 'client.token_url', 'client.issuer'] as const).some((name) =>
    texts.has(name),
  )
  const needsId = !texts.has('client.client_id')
  const needsRedirect = !texts.has('client.redirect_uri')
  const needsSecret = wantsSecret(answers, world, speaker)

  if (world.stdin.isTTY !== true || world.stderr.isTTY !== true) {
    const missing = [
      ...(needsServer ? ['--instance (or --token-url, --issuer)'] : []),
      ...(needsId ? ['--client-id'] : []),
      ...(needsSecret ? [SECRET_FLAGS] : []),
    ]
    if (missing.length > 0)
      throw new UsageError(`there is no terminal to ask at: ${missing.join(', ')} must be given`, {
        hint: EXAMPLE,
      })
    if (needsRedirect) texts.set('client.redirect_uri', REDIRECT_URI)
    return
  }
  if (!needsServer && !needsId && !needsRedirect && !needsSecret) return

  const questions = new Questions(world)
  speaker.tell({ level: 'info', message: `the answers go to ${path}; Ctrl-C writes nothing` })
  const ask = async (name: ClientKey, question: string, otherwise = ''): Promise<string> => {
    for (;;) {
      const line = await questions.ask(question, { hidden: name === SECRET })
      const answer = (name === SECRET ? line : line.trim()) || otherwise
      const wrong = problem(name, answer)
      if (wrong === undefined) return answer
      speaker.tell({ level: 'warning', message: `this ${wrong}` })
    }
  }
  try {
    if (needsServer)
      texts.set('client.instance', await ask('client.instance', 'Instance, as https://HOST/INSTANCE/: '))
    if (needsId) texts.set('client.client_id', await ask('client.client_id', 'Client id: '))
    if (needsRedirect)
      texts.set(
        'client.redirect_uri',
        await ask('client.redirect_uri', `Redirect URI [${REDIRECT_URI}]: `, REDIRECT_URI),
      )
    if (needsSecret) answers.secret = new Secret(await ask(SECRET, 'Client secret (not shown): '))
  } finally {
    questions.close()
  }
}

/** Whether the secret must still be asked for. */
function wantsSecret({ texts, secret }: Answers, { env }: World, speaker: Voice): boolean {
  if (secret !== undefined || texts.get('client.auth_method') === 'none') return false
  if (texts.has('client.client_secret_file') || texts.has('client.client_secret_command')) return false
  const set = configKeys.find(
    (known) => SOURCES.some((name) => name === nameOf(known)) && variable(env, known.env) !== undefined,
  )
  if (set === undefined) return true
  speaker.tell({
    level: 'info',
    message: `${set.env} is set and gives the client secret, so the secret is not written to the file`,
  })
  return false
}

function withSecret({ texts, secret }: Answers): Texts {
  return secret === undefined ? texts : new Map<KeyName, string>([...texts, [SECRET, secret.reveal()]])
}

/** Says what is wrong with a value, in words that follow its name. The value is not in them. */
function problem(name: ClientKey, text: string): string | undefined {
  if (text.trim() === '') return 'is empty'
  const reading = read(name, text)
  if ('problem' in reading) return reading.problem
  return iniValue(text) === undefined
    ? 'cannot be written to an INI file: it mixes quotes of both kinds, or quotes with comments'
    : undefined
}

const FLAGS = {
  'client.instance': 'instance',
  'client.client_id': 'clientId',
  'client.client_secret': 'clientSecret',
  'client.client_secret_file': 'clientSecretFile',
  'client.client_secret_command': 'clientSecretCommand',
  'client.redirect_uri': 'redirectUri',
  'client.token_url': 'tokenUrl',
  'client.authorize_url': 'authorizeUrl',
  'client.revocation_url': 'revocationUrl',
  'client.api_url': 'apiUrl',
  'client.issuer': 'issuer',
  'client.scope': 'scope',
  'client.auth_method': 'authMethod',
} as const satisfies Record<ClientKey, keyof InitFlags>

function flagOf(name: ClientKey): string {
  return `--${name.replace('client.', '').replaceAll('_', '-')}`
}

/** Warns of variables in the environment, because they win over what was just written. */
function warnOfVariables(texts: Texts, { env }: World, speaker: Voice): void {
  const secret = SOURCES.find((name) => texts.has(name))
  for (const known of configKeys) {
    const name = nameOf(known)
    const isOther = secret !== undefined && name !== secret && SOURCES.some((source) => source === name)
    if ((!texts.has(name) && !isOther) || variable(env, known.env) === undefined) continue
    const then = isOther
      ? `and the file gives ${secret.replace('client.', '')}: keep one`
      : 'and wins over the file'
    speaker.tell({ level: 'warning', message: `${known.env} is set, ${then}` })
  }
}
