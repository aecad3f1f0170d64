import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { formatted, type TokenFormat } from '../../src/cli/commands/get/formats.js'
import { Secret } from '../../src/core/secret.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'

const run = promisify(execFile)
const EXPIRES_AT = 1_796_083_200

function told(token: string, format: TokenFormat): string {
  const answer = { secret: new Secret(token), tokenType: 'Bearer', expiresAt: EXPIRES_AT } as const
  return formatted(answer, format, EXPIRES_AT - 600)
}

/** All that a token may hold, and what shells read into it most often. */
const printable = Array.from({ length: 0x7e - 0x20 }, (_, offset) => String.fromCharCode(0x21 + offset))
const token = fc.string({
  unit: fc.oneof(fc.constantFrom(...printable), fc.constantFrom(...Array.from('\'"\\$`!#;&|(){}<>*?~=%^'))),
  minLength: 1,
  maxLength: 40,
})
/** Many at once: one process reads them all. */
const tokens = fc.array(token, { minLength: 60, maxLength: 120 })

/** The answers as files, `0`, `1`, …, as the program would print them. */
function answers(all: readonly string[], format: TokenFormat): string {
  const dir = join(folder(), 'answers')
  mkdirSync(dir)
  all.forEach((one, index) => {
    writeFileSync(join(dir, String(index)), told(one, format))
  })
  return dir
}

beforeAll(() => {
  requirePrograms('bash', 'dash', 'zsh', 'fish', 'curl')
}, 300_000)

describe('a token in a format', () => {
  it.each([
    ['bare', "it's\n"],
    ['header', "Authorization: Bearer it's\n"],
    ['bearer', "Bearer it's\n"],
    ['env', "export HQ_TOKEN='it'\\''s'\nexport HQ_TOKEN_EXPIRES_AT='2026-12-01T00:00:00Z'\n"],
    ['powershell', "$env:HQ_TOKEN = 'it''s'\n$env:HQ_TOKEN_EXPIRES_AT = '2026-12-01T00:00:00Z'\n"],
    ['fish', "set -gx HQ_TOKEN 'it\\'s'\nset -gx HQ_TOKEN_EXPIRES_AT '2026-12-01T00:00:00Z'\n"],
    ['curl', 'header = "Authorization: Bearer it\'s"\n'],
    [
      'json',
      '{"format_version":1,"access_token":"it\'s","token_type":"Bearer","expires_at":"2026-12-01T00:00:00Z","expires_on":1796083200,"expires_in":600}\n',
    ],
  ] as const)('a token in a format: %s', (format, text) => {
    expect(told("it's", format)).toBe(text)
  })
})

describe('any token comes through', { timeout: 300_000 }, () => {
  // As the guide has it: what runs must be what is documented.
  const EVAL = `i=0; while [ "$i" -lt "$2" ]; do
    HQ_TOKEN= HQ_TOKEN_EXPIRES_AT=; eval "$(cat "$1/$i")"
    printf '%s %s\\0' "$HQ_TOKEN_EXPIRES_AT" "$HQ_TOKEN"; i=$((i+1))
  done`
  const SOURCE = `for i in (seq 0 (math $argv[2] - 1))
    cat $argv[1]/$i | source
    printf '%s %s\\0' $HQ_TOKEN_EXPIRES_AT $HQ_TOKEN
  end`

  it.each([
    ['sh', 'env', ['sh'], EVAL],
    ['bash', 'env', ['bash', '--norc'], EVAL],
    ['bash, as in a terminal', 'env', ['bash', '--norc', '-o', 'histexpand'], EVAL],
    ['dash', 'env', ['dash'], EVAL],
    ['zsh', 'env', ['zsh', '-f'], EVAL],
    ['zsh, where two quotes are one', 'env', ['zsh', '-f', '-o', 'rcquotes'], EVAL],
    ['fish', 'fish', ['fish', '--no-config'], SOURCE],
  ] as const)('any token comes through %s', async (_, format, [program, ...flags], script) => {
    const file = join(folder(), 'script')
    writeFileSync(file, script)
    const reads = async (all: readonly string[]): Promise<void> => {
      const args = [...flags, file, answers(all, format), String(all.length)]
      // What a broken quote would let run, runs in a folder of its own.
      const { stdout, stderr } = await run(program, args, { cwd: folder() })
      expect(stderr).toBe('')
      expect(stdout.split('\0').slice(0, -1)).toEqual(all.map((one) => `2026-12-01T00:00:00Z ${one}`))
    }
    await fc.assert(fc.asyncProperty(tokens, reads), { numRuns: 4 })
  })

  it('any token comes through curl -K', async () => {
    const heard: (string | undefined)[] = []
    const server = createServer((request, response) => {
      heard[Number(request.url?.slice(1))] = request.headers.authorization
      response.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const reads = async (all: readonly string[]): Promise<void> => {
      const file = join(folder(), 'curlrc')
      const each = all.map((one, index) => `${told(one, 'curl')}url = "http://127.0.0.1:${port}/${index}"\n`)
      writeFileSync(file, each.join('next\n'))
      heard.length = 0
      await run('curl', ['-q', '-sS', '-K', file])
      expect(heard).toEqual(all.map((one) => `Bearer ${one}`))
    }
    await fc.assert(fc.asyncProperty(tokens, reads), { numRuns: 4 })
    server.close()
  })

  it('PowerShell, by the rules of about_Quoting_Rules', () => {
    const quotes = "'\u2018\u2019\u201a\u201b"
    const any = fc.string({
      unit: fc.constantFrom(...printable, ...Array.from(quotes.repeat(4))),
      minLength: 1,
    })
    fc.assert(
      fc.property(any, (one) => {
        const [line = ''] = told(one, 'powershell').split('\n')
        expect(verbatim(line.slice('$env:HQ_TOKEN = '.length), quotes)).toBe(one)
      }),
    )
  })
})

/** Reads a single-quoted string as PowerShell does: any of the quotes begins and ends it, and two are one. */
function verbatim(literal: string, quotes: string): string {
  expect(quotes).toContain(literal.charAt(0))
  let text = ''
  for (let at = 1; ; at++) {
    const character = literal.charAt(at)
    if (quotes.includes(character) && !quotes.includes(literal.charAt(++at) || 'x')) {
      expect(at).toBe(literal.length)
      return text
    }
    text += character
  }
}
