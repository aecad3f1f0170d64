// The metrics of `check --prometheus`, beside the programs that read them: promtool, node_exporter and both parsers of Python.
import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { jobsHost } from '../support/jobs-host.js'
import { PAGE, shown } from '../support/monitoring-page.js'
import { nodeExporter } from '../support/node-exporter.js'
import { place, type Place } from '../support/place.js'
import { ended, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'

const PARSERS = fileURLToPath(new URL('../support/openmetrics.py', import.meta.url))

function piped(program: string, args: readonly string[], input: string): Promise<Ended> {
  const child = spawn(program, args, { stdio: 'pipe' })
  child.stdin.end(input)
  return ended(child)
}

/** The metrics in four states: nothing to read, nothing there, fresh, and with failures and an unfinished exchange. */
async function inFourStates(): Promise<string[]> {
  const metrics = async (env: NodeJS.ProcessEnv): Promise<string> =>
    (await told(['check', '--prometheus', '-'], { env })).stdout
  const there = await place({ faults: [{ name: 'unreadable', count: Infinity }] }, 3600)
  const env = { HQ_TOKEN_CONFIG: there.config }
  const unread = await metrics({ HQ_TOKEN_CONFIG: join(folder(), 'none.ini') })
  const empty = await metrics(env)
  await told(['get'], { env })
  const fresh = await metrics(env)
  expect(await told(['refresh'], { env })).toMatchObject({ code: 75 })
  return [unread, empty, fresh, await metrics(env)]
}

const names = (metrics: string): string[] =>
  [...metrics.matchAll(/^hq_token_(\w+)\{/gm)].map(([, name = '']) => name)

describe('the metrics of check', () => {
  let states: readonly string[]

  beforeAll(async () => {
    requirePrograms(['promtool', 'prometheus'], ['/usr/bin/python3', 'python3'])
    requirePrograms(['/usr/lib/python3/dist-packages/prometheus_client', 'python3-prometheus-client'])
    states = await inFourStates()
  })

  it('the metrics of check are taken by promtool without a word, in every state', async () => {
    expect(states.map((metrics) => names(metrics).length)).toEqual([3, 6, 10, 12])
    expect([...PAGE.matchAll(/^\| `hq_token_(\w+)` /gm)].map(([, name]) => name)).toEqual(
      names(states[3] ?? ''),
    )
    for (const metrics of states)
      expect(await piped('promtool', ['check', 'metrics'], metrics)).toMatchObject({
        ...{ code: 0, stdout: '', stderr: '' },
      })
    // promtool would tell.
    const counter = states.map((metrics) => metrics.replaceAll(' gauge\n', ' counter\n'))
    for (const metrics of counter)
      expect(await piped('promtool', ['check', 'metrics'], metrics)).toMatchObject({ code: 3 })
  })

  it('the metrics of check are the same to both parsers of Python, of OpenMetrics too', async () => {
    for (const metrics of states) {
      const { code, stdout, stderr } = await piped('/usr/bin/python3', [PARSERS], metrics)
      expect([code, stderr]).toEqual([0, ''])
      const read = JSON.parse(stdout) as Record<'openmetrics' | 'prometheus', unknown[][]>
      expect(read.openmetrics).toEqual(read.prometheus)
      expect(read.openmetrics.map(([type, , name]) => [type, name])).toEqual(
        names(metrics).map((name) => ['gauge', `hq_token_${name}`]),
      )
      const labels = { account: userInfo().username, profile: expect.any(String) as string }
      for (const [, help, , found] of read.openmetrics) {
        expect(help).not.toBe('')
        expect(found).toMatchObject(labels)
      }
    }
  })
})

describe('the textfiles of check, served by node_exporter', () => {
  /** Two profiles in one folder of configs, and the arguments that write the textfile of each. */
  async function twoProfiles(dir: string): Promise<readonly Place[]> {
    const places = await Promise.all([place({}, 3600), place({}, 3600)])
    for (const [at, { config }] of places.entries()) {
      const env = { HQ_TOKEN_CONFIG: config }
      await told(['get'], { env })
      const file = join(dir, `hq-token-${at}.prom`)
      expect((await told(['check', '--prometheus', file], { env })).code).toBe(0)
    }
    return places
  }
  const TEN = 10

  it('the series of two profiles are served side by side', async () => {
    const dir = folder()
    const places = await twoProfiles(dir)
    const lines = await (await nodeExporter(dir))()
    expect(lines).toContain('node_textfile_scrape_error 0')
    for (const { config } of places) {
      const own = lines.filter((line) => line.startsWith('hq_token_') && line.includes(`profile="${config}"`))
      expect(own).toHaveLength(TEN)
    }
  })

  it('the series of all profiles are served from the one file that --all writes', async () => {
    const dir = folder()
    const there = await place({}, 3600)
    await told(['get'], { env: { HQ_TOKEN_CONFIG: there.config } })
    mkdirSync(join(there.dir, 'profiles'))
    const empty = '[client]\ninstance = https://acme.highq.com/acme/\nclient_id = 1012\n'
    writeFileSync(join(there.dir, 'profiles/acme.ini'), empty, { mode: 0o600 })
    const env = { HQ_TOKEN_CONFIG_DIR: there.dir, HQ_TOKEN_STATE_DIR: there.dir }
    const { code } = await told(['check', '--all', '--prometheus', join(dir, 'hq-token.prom')], { env })
    expect(code).toBe(2)
    const lines = await (await nodeExporter(dir))()
    expect(lines).toContain('node_textfile_scrape_error 0')
    const of = (profile: string): number =>
      lines.filter((line) => line.startsWith('hq_token_') && line.includes(`profile="${profile}"`)).length
    expect([of('default'), of('acme')]).toEqual([TEN, 6])
  })

  it('a file beside it with the same series, or with another help text, takes series away without an error', async () => {
    const dir = folder()
    const places = await twoProfiles(dir)
    const served = await nodeExporter(dir)
    const series = async (): Promise<number> => {
      const lines = await served()
      expect(lines).toContain('node_textfile_scrape_error 0')
      return lines.filter((line) => line.startsWith('hq_token_')).length
    }
    expect(await series()).toBe(places.length * TEN)
    const [first, second] = [join(dir, 'hq-token-0.prom'), join(dir, 'hq-token-1.prom')]
    const kept = join(folder(), 'kept')
    copyFileSync(second, kept)
    copyFileSync(first, second)
    expect(await series()).toBeLessThan(places.length * TEN)
    writeFileSync(
      second,
      readFileSync(kept, 'utf8').replace('# HELP hq_token_up ', '# HELP hq_token_up Now: '),
    )
    expect(await series()).toBeLessThan(places.length * TEN)
    renameSync(kept, second)
    expect(await series()).toBe(places.length * TEN)
  })

  it.runIf(asRoot('the textfile of another user'))(
    'the lines of the page give the user of the jobs the folder, and the line of the crontab writes there without a word',
    async () => {
      const dir = folder()
      chmodSync(dir, 0o755)
      const host = jobsHost('nagios')
      host.configure(await place({}, 3600))
      await host.asJobs('hq-token get')
      const here = (block: string): string => block.replaceAll('/var/lib/prometheus/node-exporter', dir)
      const line = here(shown('check --prometheus /var')).replace(/^(?:\S+\s+){5}/, '')
      // Standard output is dropped, but the exit code tells.
      expect(await host.asJobs(line)).toMatchObject({ code: 3, stdout: '', stderr: '' })
      expect((await host.asRoot(here(shown('sudo chgrp jobs')))).code).toBe(0)
      expect(await host.asJobs(line)).toMatchObject({ code: 0, stdout: '', stderr: '' })
      expect(readdirSync(dir)).toEqual(['hq-token.prom'])
      const series = (await (await nodeExporter(dir))()).filter((one) => one.startsWith('hq_token_'))
      expect(series).toHaveLength(TEN)
      for (const one of series) expect(one).toContain('{account="jobs",profile="default"')
    },
  )
})
