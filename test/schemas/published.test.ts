// The schemas themselves: that they notice what they are for, and that the files of docs/schemas say the same to programs
// in other languages. That those files are not stale is in test/docs.test.ts.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { schemas, statusSchema } from '../../src/schemas/index.js'
import { holdToSchemas } from '../support/json-outputs.js'
import { place } from '../support/place.js'

type Json = Record<string, unknown>

const NAMES = Object.keys(schemas) as (keyof typeof schemas)[]

function published(name: string): Json {
  return JSON.parse(readFileSync(`docs/schemas/${name}.json`, 'utf8')) as Json
}

async function status(): Promise<Json> {
  const { run } = await place({}, 3600)
  await run(['seed'])
  return JSON.parse((await run(['status', '--json'])).stdout) as Json
}

function held(report: unknown): Promise<void> {
  return holdToSchemas(['status', '--json'], { code: 0, stdout: JSON.stringify(report), stderr: '' })
}

describe('what holds the program to its schemas', () => {
  it('notices a key that the schema does not list', async () => {
    const report = await status()
    await expect(held(report)).resolves.toBeUndefined()
    await expect(held({ ...report, extra: 1 })).rejects.toThrow('extra')
    const access = { ...(report['access'] as Json), extra: 1 }
    await expect(held({ ...report, access })).rejects.toThrow('extra')
  })

  it.each(['user', 'access', 'client', 'generation'])('notices that the key %s is missing', async (key) => {
    const keys = Object.entries(await status()).filter(([name]) => name !== key)
    await expect(held(Object.fromEntries(keys))).rejects.toThrow(key)
  })

  it.each([
    ['state', 'great'],
    ['last_refresh_at', '2026-01-01T00:00:00+01:00'],
    ['last_refresh_at', 1_800_000_000],
    ['generation', -1],
    ['generation', 1.5],
  ])('notices that %s is %j', async (key, value) => {
    await expect(held({ ...(await status()), [key]: value })).rejects.toThrow(key)
  })

  it('notices a line of a log that is no JSON', async () => {
    const said = { code: 0, stdout: '', stderr: 'hq-token: error: text\n' }
    await expect(holdToSchemas(['--log-format=json', 'get'], said)).rejects.toThrow('JSON')
  })
})

/** The sources of the command line that write JSON, by the name of the file, and what of it is printed. */
const WRITERS: Record<string, readonly (keyof typeof schemas)[]> = {
  'formats.ts': ['get'],
  'status.ts': ['status'],
  'all.ts': ['status-all'],
  'doctor.ts': ['doctor'],
  'history.ts': ['history'],
  'compare.ts': ['history-comparison'],
  'output.ts': ['log-line'],
  'unloadable.ts': ['log-line'],
  'kubernetes.ts': ['credential-kubernetes'],
  'bazel.ts': ['credential-bazel'],
  'google.ts': ['credential-google'],
  'credential.ts': ['credential-google'],
  // What the API is sent, and a word in a message.
  'api.ts': [],
  'api-url.ts': [],
  'fields.ts': [],
  // What one process of a check tells another.
  'look.ts': [],
}

describe('every JSON that the command line prints', () => {
  it('has a schema: no other file writes JSON', () => {
    const files = readdirSync('src/cli', { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    )
    const writers = files.filter(({ parentPath, name }) =>
      /JSON\.stringify|(?:printable|write)Json\(/.test(readFileSync(join(parentPath, name), 'utf8')),
    )
    expect(writers.map(({ name }) => name).sort()).toEqual(Object.keys(WRITERS).sort())
    expect(new Set(Object.values(WRITERS).flat())).toEqual(new Set(NAMES))
  })
})

describe('a program of somebody else’s', () => {
  it('may meet keys that come later, by zod and by the published file', async () => {
    const report = await status()
    const later = { ...report, later: 1, access: { ...(report['access'] as Json), later: 1 } }
    expect(statusSchema.parse(later)).toEqual(report)
    const file = z.fromJSONSchema(published('status'))
    expect(file.safeParse(later).success).toBe(true)
    expect(file.safeParse({ ...later, state: undefined }).success).toBe(false)
  })

  it.each(NAMES)('finds in the file for %s what it is, and what each key means', (name) => {
    const file = published(name)
    expect(file).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: expect.stringMatching(new RegExp(`^https://.*/${name}\\.json$`)) as string,
      title: expect.stringContaining('hq-token') as string,
      description: expect.stringMatching(/\.$/) as string,
    })
    const silent = keysOf(file).filter(([, key]) => !('description' in key) && !('const' in key))
    expect(silent).toEqual([])
    // The standard has this format; of another, ajv in its strict mode makes an error.
    const formats = [...JSON.stringify(file).matchAll(/"format":"([^"]*)"/g)].map(([, format]) => format)
    expect(formats.filter((format) => format !== 'date-time')).toEqual([])
  })

  it('finds a file for each schema, and no other', () => {
    const files = readdirSync('docs/schemas').filter((name) => name.endsWith('.json'))
    expect(files.sort()).toEqual(NAMES.map((name) => `${name}.json`).sort())
  })
})

/** Every key that a schema lists, at any depth. */
function keysOf(schema: unknown): [name: string, schema: Json][] {
  if (typeof schema !== 'object' || schema === null) return []
  const own = Object.entries((schema as { properties?: Record<string, Json> }).properties ?? {})
  return [...own, ...Object.values(schema).flatMap(keysOf)]
}
