// Turns `-f` and `-F` of `hq-token api` into a JSON object. Sends nothing.
import { readFileSync } from 'node:fs'
import { UsageError } from '../../../core/errors.js'
import { shellWord } from '../../../core/shell-quoting.js'
import { readAll } from '../../terminal/input.js'
import type { World } from '../../world.js'

/** `-f key=value`, or `-F key=value` with its value read. */
export interface Field {
  readonly key: string
  readonly value: unknown
}

/** `-F key=@FILE`, not read yet. */
export interface FileField {
  readonly key: string
  /** A path, or `-`. */
  readonly file: string
}

const HINT = { hint: 'hq-token api --help' }

type Branch = { [key: string]: unknown } | unknown[]

/** Takes the value as text. @throws {UsageError} */
export function rawField(text: string): Field {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError('the value of -f or -F is not key=value', HINT)
  return { key: text.slice(0, at), value: text.slice(at + 1) }
}

/** Reads `true`, `false`, `null`, whole numbers, and `@FILE` as a file's content. @throws {UsageError} */
export function typedField(text: string): Field | FileField {
  const { key, value } = rawField(text)
  const given = String(value)
  return given.startsWith('@') ? { key, file: given.slice(1) } : { key, value: typed(given, key) }
}

function typed(text: string, key: string): unknown {
  if (/^(?:true|false|null)$/.test(text)) return JSON.parse(text)
  if (!/^-?(?:0|[1-9]\d*)$/.test(text)) return text
  if (Number.isSafeInteger(Number(text))) return Number(text)
  throw new UsageError(`the number in the field ${key} has more digits than every JSON reader keeps`, {
    hint: `as a string: -f ${shellWord(`${key}=${text}`)}`,
  })
}

/** @throws {UsageError} if a file cannot be read, or holds no text. */
export async function filled(field: Field | FileField, stdin: World['stdin']): Promise<Field> {
  if (!('file' in field)) return field
  const { key, file } = field
  try {
    const bytes =
      file === '-' ? await readAll(stdin, `the field ${key}`, 'hq-token api', Infinity) : readFileSync(file)
    return { key, value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    const why =
      code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not text in UTF-8' : `cannot be read (${code})`
    throw new UsageError(`the file ${file} of the field ${key} ${why}`, {
      hint: 'name a text file that can be read, or send the file unchanged with --input',
      cause: error,
    })
  }
}

/**
 * The fields as one JSON object, in the notation of `gh api`: `a[b]=x` nests, `a[]=x` appends to a list.
 *
 * @throws {UsageError} if one key is used in two ways
 */
export function fieldsObject(fields: readonly Field[]): Record<string, unknown> {
  const root = Object.create(null) as Record<string, unknown>
  for (const { key, value } of fields) {
    const [first = '', ...rest] = stepsOf(key)
    put(root, first, rest, value, key)
  }
  return root
}

function put(branch: Branch, step: string, rest: readonly string[], value: unknown, key: string): void {
  const isList = Array.isArray(branch)
  if (isList !== (step === '')) throw new UsageError(`the field ${key} is a list and an object at once`, HINT)
  const at = isList ? branch.length : step
  const [next, ...after] = rest
  const holder = branch as Record<string | number, unknown>
  if (next === undefined) {
    if (at in holder) throw new UsageError(`the field ${key} is given twice`, HINT)
    holder[at] = value
    return
  }
  // `a[][b]` begins a new element if the last one has a `b` already, or if there is none.
  const last = isList ? branch.at(-1) : holder[at]
  const isOpen = isBranch(last) && !(isList && after.length === 0 && next in last)
  if (!isOpen && !isList && at in holder)
    throw new UsageError(`the field ${key} has a value and is an object`, HINT)
  const child = isOpen ? last : next === '' ? [] : (Object.create(null) as Record<string, unknown>)
  if (!isOpen) holder[at] = child
  put(child, next, after, value, key)
}

function isBranch(value: unknown): value is Branch {
  return typeof value === 'object' && value !== null
}

/** `a[b][]` → `a`, `b`, ``. @throws {UsageError} */
function stepsOf(key: string): string[] {
  const [, first = '', rest = ''] = /^([^[\]]+)((?:\[[^[\]]*\])*)$/.exec(key) ?? []
  if (first === '')
    throw new UsageError(`the field name ${JSON.stringify(key)} cannot be read`, {
      hint: 'names are like title, owner[name] or tags[]',
    })
  return [first, ...[...rest.matchAll(/\[([^[\]]*)\]/g)].map(([, step = '']) => step)]
}
