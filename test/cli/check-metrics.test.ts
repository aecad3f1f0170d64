import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import type { Place } from '../support/place.js'
import { told, type WorldOptions } from '../support/world.js'
import { assertLine, checked } from './checked.js'
import { changed, seeded } from './examined.js'

const DAY = 86_400

describe('check --prometheus', () => {
  const write = async (made: Place, file: string, more: WorldOptions = {}): Promise<string> => {
    expect((await checked(made, ['--prometheus', file], more)).code).toBe(0)
    return readFileSync(file, 'utf8')
  }

  it('check --prometheus writes all gauges, whose help texts never change', async () => {
    const made = await seeded({ refreshTtl: 365 * DAY })
    changed(
      made,
      "UPDATE token_set SET failures = 1, failure_at = obtained_at, failure_code = 'HQ_SERVER_UNAVAILABLE', failure_message = 'x', intent_attempt = 9, intent_at = obtained_at",
    )
    const text = await write(made, join(made.dir, 'hq.prom'))
    expect(text.endsWith('\n# EOF\n')).toBe(true)
    expect(text).not.toMatch(/\} -?\d*[^\d\n.-]/)
    await expect(text.replace(/^hq_token.*\n/gm, '')).toMatchFileSnapshot('check-metrics.txt')
    const samples = text.match(/^hq_token_\w+\{.*/gm) ?? []
    expect(samples).toHaveLength(12)
    for (const sample of samples)
      expect(sample).toMatch(
        /^hq_token_\w+\{profile="[^"]+config\.ini",account="\w+"(?:,version="[\w.-]+")?\} \d+$/,
      )
  })

  it('check --prometheus - prints the metrics in the place of the line', async () => {
    const made = await seeded()
    const said = await told(['check', '--prometheus', '-'], { env: { HQ_TOKEN_CONFIG: made.config } })
    expect(said).toMatchObject({ code: 0, stderr: '' })
    expect(said.stdout).toMatch(/^# HELP hq_token_check_status [^]*\n# EOF\n$/)
    expect(said.stdout).not.toContain('HQ_TOKEN OK')
  })

  it('check --prometheus names a config file in the home folder by its whole path', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: ` ~/${basename(made.config)} ` }
    const said = await told(['check', '--prometheus', '-'], { env, homedir: dirname(made.config) })
    expect(said.stdout).toContain(`{profile="${made.config}",`)
  })

  it('check --prometheus writes that nothing could be read, and no more', async () => {
    const dir = folder()
    const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir }
    const said = await told(['check', '--prometheus', join(dir, 'x.prom')], { env })
    assertLine(said)
    const text = readFileSync(join(dir, 'x.prom'), 'utf8')
    expect(text.match(/^hq_token_\w+/gm)).toEqual([
      'hq_token_check_status',
      'hq_token_check_timestamp_seconds',
      'hq_token_up',
    ])
    expect(text).toMatch(/^hq_token_check_status\{profile="default",account="\w+"\} 3$/m)
    expect(text).toMatch(/^hq_token_up\{.*\} 0$/m)
  })

  it('check --prometheus without a value does not take the next option for one', async () => {
    for (const args of [['--all'], ['-v'], ['--', 'x'], ['']]) {
      const said = await told(['check', '--prometheus', ...args], { env: {} })
      expect([args, said.code, said.stderr]).toEqual([args, 3, ''])
      expect(said.stdout).toMatch(/^HQ_TOKEN UNKNOWN - .*\n$/)
    }
  })

  it('check --prometheus writes nothing for a wrong usage', async () => {
    const dir = folder()
    const said = await told(['check', '--bad', '--prometheus', join(dir, 'x.prom')], { env: {} })
    expect(said.code).toBe(3)
    expect(readdirSync(dir)).toEqual([])
  })

  it('check --prometheus writes 0644 whatever the umask, replaces a link, and leaves no draft', async () => {
    const made = await seeded()
    const dir = folder()
    const [file, target] = [join(dir, 'hq.prom'), join(dir, 'target')]
    writeFileSync(target, 'mine')
    symlinkSync(target, file)
    await write(made, file)
    expect(readFileSync(target, 'utf8')).toBe('mine')
    expect(lstatSync(file).isFile()).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o644)
    expect(readdirSync(dir).sort()).toEqual(['hq.prom', 'target'])
  })

  it('check --prometheus warns of a file that cannot be written, and says the rest', async () => {
    const made = await seeded()
    for (const file of [join(made.dir, 'missing', 'x.prom'), folder()]) {
      const said = await checked(made, ['--prometheus', file])
      expect(said).toMatchObject({
        code: 3,
        stdout: expect.stringMatching(
          /the metrics could not be written to \S+ \((?:E\w+|it is a folder)\)/,
        ) as string,
      })
    }
  })

  it('a reader of the textfile never sees half of it, in 100 writes', async () => {
    const made = await seeded()
    const file = join(made.dir, 'hq.prom')
    await write(made, file)
    const reader = spawn(
      process.execPath,
      [
        '-e',
        `const fs=require('fs');let n=0;process.on('SIGTERM',()=>{console.log(n);process.exit()});(function again(){const t=fs.readFileSync(${JSON.stringify(file)},'utf8');n++;if(!t.endsWith('# EOF\\n')){console.log('half');process.exit(1)}setImmediate(again)})()`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    reader.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    for (let nth = 0; nth < 100; nth++) await write(made, file)
    reader.kill('SIGTERM')
    await once(reader, 'close')
    expect(Number(said)).toBeGreaterThan(10)
  })
})
