import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configKeys } from '../../src/config/keys.js'
import { loadConfig, requireClient } from '../../src/config/load.js'
import { sourceOf, written } from './places.js'

const example = readFileSync(new URL('../../config.example.ini', import.meta.url), 'utf8')
const supported = configKeys.filter((key) => key.supported)
/** With the lines of some keys taken out of their comments. */
const using = (...keys: string[]): string =>
  example.replace(/^; (\w+) = (.*)$/gm, (line, key: string, value: string) =>
    keys.includes(key) ? `${key} = ${value.replace('your_client_secret', 's3cret')}` : line,
  )
const load = (text: string): ReturnType<typeof loadConfig> =>
  loadConfig(sourceOf({ file: written('config.ini', text) }))

describe('config.example.ini', () => {
  it('config.example.ini shows every supported key in its section, in the order of the docs', () => {
    let section = ''
    const shown = example.split('\n').flatMap((line) => {
      section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section
      const key = /^; (\w+) = /.exec(line)?.[1]
      return key === undefined ? [] : [`${section}.${key}`]
    })
    expect(shown).toEqual(supported.map(({ section, key }) => `${section}.${key}`))
  })

  it.each(supported)(
    'config.example.ini shows the default or the example of $key, and its variable',
    ({ key, default: fallback, example: sample }) => {
      expect(example).toContain(`; ${key} = ${fallback ?? sample}\n`)
    },
  )

  it('config.example.ini loads as it stands', () => {
    expect(load(example)).toMatchObject({
      ...load(''),
      file: expect.any(String) as string,
      clientSecret: expect.any(Function) as () => never,
      files: expect.any(Function) as () => never,
      network: { ...load('').network, credentials: expect.any(Function) as () => never },
    })
  })

  it('config.example.ini loads once a client is filled in', () => {
    const config = load(using('instance', 'client_id', 'client_secret'))
    expect(config.notices).toEqual([])
    expect(requireClient(config).tokenUrl.href).toBe('https://acme.highq.com/acme/api/oauth2/token')
  })

  it('config.example.ini loads with all of it in use', () => {
    const all = supported
      .map(({ key }) => key)
      .filter((key) => !/^client_secret_|^url_password_command$|^url_file$/.test(key))
    expect(load(using(...all)).notices).toEqual([])
  })
})
