// The page's definitions for Icinga 2 and Nagios, and its units, read by those programs themselves.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms, unpacked } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { shown } from '../support/monitoring-page.js'
import { ended, type Ended } from '../support/processes.js'

describe.runIf(asRoot('the definitions for Icinga 2, which checks them as root or as its own user'))(
  'the definitions for Icinga 2',
  () => {
    beforeAll(() => {
      requirePrograms(['/usr/sbin/icinga2', 'icinga2-bin'])
    })

    function checked(definitions: string): Promise<Ended> {
      const dir = folder()
      chmodSync(dir, 0o755)
      const config = join(dir, 'icinga2.conf')
      const around = `include <itl>
include <plugins>
object Endpoint "web1" { }
object Zone "site" { endpoints = [ "web1" ] }
object Host "web1" { check_command = "dummy"; vars.hq_token = true; zone = "site" }
`
      writeFileSync(config, `${around}${definitions}`)
      const constants = ['-DNodeName=web1', '-DZoneName=site', '-DPluginDir=/usr/lib/nagios/plugins']
      const args = ['daemon', '-C', '-c', config, ...constants]
      return ended(spawn('/usr/sbin/icinga2', args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    }

    const DEFINITIONS = shown('object CheckCommand "hq-token"') + shown('apply Service "hq-token"')

    it('the definitions for Icinga 2 give the host a service, on its own agent', async () => {
      const { code, stdout } = await checked(DEFINITIONS)
      expect([code, stdout]).toEqual([0, expect.stringContaining('Instantiated 1 Service.')])
      expect(stdout).not.toMatch(/warning|critical/i)
      expect((await checked(DEFINITIONS.replace('check_interval', 'interval'))).code).toBe(1)
    })

    it('the definitions for Icinga 2 over NRPE are the two lines that the page names', async () => {
      const over = DEFINITIONS.replace('check_command = "hq-token"', 'check_command = "nrpe"')
      const nrpe = over.replace('command_endpoint = host.name', 'vars.nrpe_command = "check_hq_token"')
      const { code, stdout } = await checked(nrpe)
      expect([code, stdout]).toEqual([0, expect.stringContaining('Instantiated 1 Service.')])
    })
  },
)

describe('the definitions for Nagios', () => {
  it('the definitions for Nagios are taken without an error', () => {
    const nagios = join(unpacked('nagios4-core'), 'usr/sbin/nagios4')
    const dir = folder()
    const around = `define timeperiod {
    timeperiod_name  always
    alias            always
    monday           00:00-24:00
}
define contact {
    contact_name                   ops
    host_notifications_enabled     0
    service_notifications_enabled  0
    host_notification_period       always
    service_notification_period    always
    host_notification_commands     check_hq_token
    service_notification_commands  check_hq_token
}
define service {
    name                 generic-service
    max_check_attempts   3
    check_period         always
    notification_period  always
    contacts             ops
    register             0
}
define host {
    host_name            web1
    address              127.0.0.1
    max_check_attempts   3
    check_period         always
    notification_period  always
    contacts             ops
}
`
    mkdirSync(join(dir, 'results'))
    writeFileSync(join(dir, 'objects.cfg'), `${around}${shown('define command {')}`)
    const own = `nagios_user=${userInfo().username}\nnagios_group=${String(process.getgid?.())}\n`
    const paths = `log_file=${dir}/log\ncheck_result_path=${dir}/results\ntemp_path=${dir}\n`
    writeFileSync(join(dir, 'nagios.cfg'), `cfg_file=${dir}/objects.cfg\n${paths}${own}`)
    const { stdout } = spawnSync(nagios, ['-v', join(dir, 'nagios.cfg')], { encoding: 'utf8' })
    expect(stdout).toMatch(/Checked 1 services\.[^]*Total Errors: +0\n/)
  })
})

describe('the units of the page', () => {
  it('systemd has nothing to say of the units, with a service whose failure starts the alarm', () => {
    requirePrograms(['systemd-analyze', 'systemd'], ['systemctl', 'systemd'])
    const dir = folder()
    for (const block of [shown('OnFailure='), shown('ExecStopPost='), shown('ExecStart=')]) {
      const [, path = ''] = /^# \/etc\/systemd\/system\/(\S+)\n/.exec(block) ?? []
      mkdirSync(join(dir, path, '..'), { recursive: true })
      writeFileSync(join(dir, path), block)
    }
    writeFileSync(
      join(dir, 'hq-token.service'),
      '[Service]\nType=oneshot\nExecStart=/bin/true\nSuccessExitStatus=75\n',
    )
    const units = ['hq-token.service', 'hq-token-alarm@.service'].map((name) => join(dir, name))
    const verify = (): ReturnType<typeof spawnSync> =>
      spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_UNIT_PATH: `${dir}:` },
      })
    expect(verify()).toMatchObject({ status: 0, stdout: '', stderr: '' })
    // The drop-ins are read, and so is the other unit.
    for (const [path, setting] of [
      ['hq-token.service.d/alarm.conf', 'OnFailure='],
      ['hq-token.service.d/sign-of-life.conf', 'ExecStopPost='],
      ['hq-token-alarm@.service', 'ExecStart='],
    ] as const) {
      const text = readFileSync(join(dir, path), 'utf8')
      writeFileSync(join(dir, path), text.replace(setting, `X${setting}`))
      const { stderr } = verify()
      expect(String(stderr)).toContain(path)
      writeFileSync(join(dir, path), text)
    }
  })

  it('the alarm mails the state of the unit, though systemctl ends with an error for one that has failed', async () => {
    const [, line = ''] = /^ExecStart=(.*)$/m.exec(shown('ExecStart=')) ?? []
    const bin = folder()
    const stubs = {
      systemctl: 'printf "%s\\n" "$*"; exit 3',
      mail: `printf '%s\\n' "$@" >${bin}/mailed; cat >>${bin}/mailed`,
    }
    for (const [name, text] of Object.entries(stubs))
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    const typed = line.replaceAll('%i', 'hq-token.service').replaceAll('%H', 'web1')
    const env = { PATH: `${bin}:/usr/bin:/bin` }
    const child = spawn('/bin/sh', ['-c', typed], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    expect(await ended(child)).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect(readFileSync(join(bin, 'mailed'), 'utf8').split('\n')).toEqual([
      ...['-s', 'hq-token.service failed on web1', 'ops@example.com'],
      ...['status --no-pager --full hq-token.service', ''],
    ])
  })
})
