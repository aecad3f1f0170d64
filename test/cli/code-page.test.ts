import { describe, expect, it } from 'vitest'
import { run } from '../../src/cli/program.js'
import { forCodePage, jsonForCodePage } from '../../src/cli/terminal/code-page.js'
import { voice, writeJson, writeLines, writeReport } from '../../src/cli/terminal/output.js'
import { worldFor } from '../support/world.js'

const words = '’ ‘ “ ” … → · █ ░ Jürgen'

describe('our typographic characters', () => {
  it('are ASCII in a file or a pipe of Windows, and names stay', () => {
    expect(forCodePage(words, {}, 'win32')).toBe("' ' ' ' ... -> - # . Jürgen")
  })

  it('stay on the console of Windows and on every other system', () => {
    expect(forCodePage(words, { isTTY: true }, 'win32')).toBe(words)
    expect(forCodePage(words, {}, 'linux')).toBe(words)
  })

  it('are ASCII in a report and in the help on Windows', async () => {
    const { world, said } = worldFor({})
    const windows = { ...world, platform: 'win32' } as const
    await writeReport(windows, 'the server’s answer …\n')
    expect(await run(['--help'], windows)).toBe(0)
    expect(said().stdout).toMatch(/^the server's answer \.\.\.\nUsage: [\n\x20-\x7e]*$/)
  })

  it('are ASCII in the lines for a monitoring system on Windows', async () => {
    const { world, said } = worldFor({})
    await writeLines({ ...world, platform: 'win32' }, 'the server’s answer …\n')
    expect(said().stdout).toBe("the server's answer ...\n")
  })
})

describe('JSON in a file or a pipe of Windows', () => {
  const value = { user: 'O’Brien', path: 'C:\\Müller’s\\日本\\🙂', quote: '“"”' }

  it('is of ASCII, and holds the values as they are', () => {
    const json = jsonForCodePage(JSON.stringify(value), {}, 'win32')
    expect(json).toMatch(/^[\x20-\x7e]*$/)
    expect(JSON.parse(json)).toEqual(value)
  })

  it.each([
    ['linux', {}],
    ['darwin', {}],
    ['win32', { isTTY: true }],
  ] as const)('stays as it is on %s %j', (platform, screen) => {
    expect(jsonForCodePage(JSON.stringify(value), screen, platform)).toBe(JSON.stringify(value))
  })

  it('is so in a report and in a line of --log-format json', async () => {
    const { world, said } = worldFor({})
    const windows = { ...world, platform: 'win32' } as const
    await writeJson(windows, value)
    voice(windows, { logFormat: 'json' }).tell({ level: 'info', message: 'O’Brien …' })
    const { stdout, stderr } = said()
    expect(JSON.parse(stdout)).toEqual(value)
    expect(JSON.parse(stderr)).toMatchObject({ message: 'O’Brien …' })
    expect(stdout + stderr).toMatch(/^[\n\x20-\x7e]*$/)
  })
})
