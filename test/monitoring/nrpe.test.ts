// `check` as Nagios sees it: over nrpe, which runs it by sudo as the owner of the store, with the page's own lines.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { jobsHost } from '../support/jobs-host.js'
import { shown } from '../support/monitoring-page.js'
import { nrpe, requireNrpe } from '../support/nrpe.js'
import { place } from '../support/place.js'

describe.runIf(asRoot('check over nrpe, as a user who is not root'))('check over nrpe', () => {
  beforeAll(requireNrpe)

  it('line and exit code of all four states arrive as check gave them', async () => {
    const host = jobsHost('nagios')
    const there = await place({ faults: [{ name: 'invalid-grant', count: Infinity }] }, 3600)
    const ask = await nrpe(host, host.here(shown('command[check_hq_token]=')))
    const told = async (): Promise<unknown> => {
      const { code, stdout, stderr } = await ask('check_hq_token')
      expect([stdout, stderr]).toEqual([host.printed(), ''])
      return [code, stdout.split(' - ')[0]]
    }
    expect(await told()).toEqual([3, 'HQ_TOKEN UNKNOWN'])
    host.configure(there)
    expect(await told()).toEqual([1, 'HQ_TOKEN WARNING'])
    expect((await host.asJobs('hq-token get')).code).toBe(0)
    expect(await told()).toEqual([0, 'HQ_TOKEN OK'])
    expect((await host.asJobs('hq-token refresh')).code).toBe(4)
    expect(await told()).toEqual([2, 'HQ_TOKEN CRITICAL'])
  })

  it('sudo lets the agent run nothing but what the page allows', async () => {
    const host = jobsHost('nagios')
    host.configure(await place({}, 3600))
    const get = '/usr/bin/sudo -n -H -u jobs /usr/local/bin/hq-token get'
    const ask = await nrpe(host, host.here(`command[get]=${get}\n`))
    expect(await ask('get')).toMatchObject({ code: 3, stdout: 'NRPE: Unable to read output\n' })
    // The owner gets a token here.
    expect(await host.asJobs('hq-token get')).toMatchObject({ code: 0 })
  })

  it('the longest line arrives whole, in packets of the old size too', async () => {
    const host = jobsHost('nagios')
    const config = `/${'far-away/'.repeat(130)}config.ini`
    const ask = await nrpe(
      host,
      host.here(`command[long]=HQ_TOKEN_CONFIG=${config} /usr/local/bin/hq-token check\n`),
    )
    for (const options of [[], ['-2']]) {
      const { code, stdout } = await ask('long', ...options)
      expect([code, stdout.length]).toEqual([3, 1023])
      expect(stdout).toBe(host.printed())
    }
  })

  it('the lines of all profiles arrive whole, with the worst exit code', async () => {
    const host = jobsHost('nagios')
    const configs = host.agentFolder()
    for (const name of ['acme', 'firm']) {
      mkdirSync(join(configs, 'profiles'), { recursive: true })
      writeFileSync(
        join(configs, `profiles/${name}.ini`),
        '[client]\ninstance = https://acme.highq.com/acme/\nclient_id = 1012\n',
      )
    }
    const env = `HQ_TOKEN_CONFIG_DIR=${configs} HQ_TOKEN_STATE_DIR=${configs}`
    const ask = await nrpe(host, host.here(`command[all]=${env} /usr/local/bin/hq-token check --all\n`))
    const { code, stdout } = await ask('all')
    expect([code, stdout]).toEqual([2, host.printed()])
    expect(stdout).toMatch(/^HQ_TOKEN CRITICAL - [^|\n]*\n.* acme: .*\n.* firm: .*\n$/)
  })
})
