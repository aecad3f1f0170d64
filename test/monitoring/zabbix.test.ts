// `check` and `status --json` as items of Zabbix's agent, by the page's own lines.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { jobsHost } from '../support/jobs-host.js'
import { PAGE, shown } from '../support/monitoring-page.js'
import { place } from '../support/place.js'
import { ended } from '../support/processes.js'

const AGENT = '/usr/sbin/zabbix_agentd'

describe.runIf(asRoot('check as an item of Zabbix, as a user who is not root'))('an item of Zabbix', () => {
  beforeAll(() => {
    requirePrograms([AGENT, 'zabbix-agent'])
  })

  it('the value of an item is the line alone, or the JSON alone, in a bad state too', async () => {
    const host = jobsHost('zabbix')
    const config = join(host.agentFolder(), 'zabbix.conf')
    const parameters = host.here(shown('UserParameter=hq-token.check'))
    writeFileSync(config, `LogType=console\nServer=127.0.0.1\n${parameters}`, { mode: 0o644 })
    const value = async (key: string): Promise<string | undefined> => {
      const { code, stdout } = await ended(host.asAgent([AGENT, '-c', config, '-t', key]))
      expect(code).toBe(0)
      const [, found] = /^\S+ +\[t\|([^]*)\]\n$/.exec(stdout) ?? []
      // The agent takes the last newline off.
      expect(`${found}\n`).toBe(host.printed())
      return found
    }
    expect(await value('hq-token.check')).toMatch(/^HQ_TOKEN UNKNOWN - [^\n]*$/)
    host.configure(await place({}, 3600))
    await host.asJobs('hq-token get')
    expect(await value('hq-token.check')).toMatch(/^HQ_TOKEN OK - [^\n]*$/)
    const status: unknown = JSON.parse((await value('hq-token.status')) ?? '')
    const paths = [...PAGE.matchAll(/`\$\.([\w.]+)`/g)].map(([, path = '']) => path)
    expect(paths).toEqual(['refresh.expires_in', 'access.expires_in', 'state'])
    for (const path of paths) expect(status).toHaveProperty(path)
  })
})
