// The mail and the test of docs/monitoring.md, with Debian's mail and msmtp, and a server that takes the mail.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { place } from '../support/place.js'
import { shown } from '../support/monitoring-page.js'

const servers: Server[] = []
afterAll(() => {
  for (const server of servers) server.close()
})
beforeAll(() => {
  requirePrograms(['mail', 'bsd-mailx'], 'msmtp', ['/usr/sbin/sendmail', 'msmtp-mta'])
}, 300_000)

/** A server that takes each mail. @see RFC 5321 */
async function sink(): Promise<{ readonly port: number; readonly mails: string[] }> {
  const mails: string[] = []
  const server = createServer((socket) => {
    let text = ''
    let isData = false
    socket.write('220 sink\r\n')
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (;;) {
        const end = isData ? text.indexOf('\r\n.\r\n') : text.indexOf('\r\n')
        if (end === -1) return
        const line = text.slice(0, end)
        text = text.slice(end + (isData ? 5 : 2))
        if (isData) mails.push(line)
        isData = !isData && /^DATA/i.test(line)
        socket.write(isData ? '354 go on\r\n' : /^QUIT/i.test(line) ? '221 bye\r\n' : '250 ok\r\n')
      }
    })
  })
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, mails }
}

it('the mail of the page arrives, with a subject and what to do', async () => {
  const config = shown('command = mail -s')
  const { port, mails } = await sink()
  const made = await place({ config: `\n${config}`, faults: [{ name: 'invalid-grant', count: Infinity }] })
  const msmtprc = join(made.dir, 'msmtprc')
  writeFileSync(msmtprc, `account default\nhost 127.0.0.1\nport ${port}\nfrom jobs@example.com\n`, {
    mode: 0o600,
  })
  writeFileSync(join(made.dir, 'mailrc'), `set sendmail="${join(made.dir, 'send')}"\n`)
  writeFileSync(join(made.dir, 'send'), `#!/bin/sh\nexec msmtp -C ${msmtprc} -t\n`, { mode: 0o755 })
  const env = { MAILRC: join(made.dir, 'mailrc') }
  expect(await made.run(['notify', '--test'], { env })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('the message was taken') as string,
  })
  expect((await made.run(['get'], { env })).code).toBe(4)
  expect(mails).toHaveLength(2)
  expect(mails[1]).toMatch(/^Subject: hq-token on \S+, 127\.0\.0\.1:\d+: a person must log in\r?$/m)
  expect(mails[1]).toMatch(/^To: ops@example\.com\r?$/m)
  expect(mails[1]).toMatch(/^Next: +hq-token --config \S+ login/m)
  const seed = readFileSync(made.seed, 'utf8')
  for (const [, token = ''] of seed.matchAll(/_token *= *(\S+)/g)) expect(mails.join()).not.toContain(token)
})

it('the command of the page that tries it is one', async () => {
  const { dir, config } = await place({ config: '\n[notify]\ncommand = cat > mail\n' })
  const [, ...args] = shown('notify --test').trim().split(' ')
  const bin = join(import.meta.dirname, '../../dist/bin.cjs')
  await promisify(execFile)(process.execPath, [bin, ...args], {
    env: { ...process.env, HQ_TOKEN_CONFIG: config },
  })
  expect(readFileSync(join(dir, 'mail'), 'utf8')).toContain('This is a test')
})
