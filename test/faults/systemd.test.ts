// The unit that `schedule systemd` writes, set up as docs/keeping-it-alive.md says and started by a real systemd: this machine's
// files under an overlay, booted in a container that shares the network. Changes no file of this machine.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { CONTAINER } from '../support/container.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { ended } from '../support/processes.js'

/** With /in and /out bound to folders of the test. */
const BOOT = `${CONTAINER}
cp "$IN/hq-test.service" "$IN/hq-test.target" "$IN/hq-failed.service" "$DIR/root/etc/systemd/system"
INSTALLED=/usr/lib/node_modules/hq-token
container \\
  --bind-ro="$REPO/dist:$INSTALLED/dist" --bind-ro="$REPO/package.json:$INSTALLED/package.json" \\
  --bind-ro="$(dirname "$(realpath "$REPO/node_modules/commander")"):$INSTALLED/node_modules" --bind-ro="$IN:/in" --bind="$OUT:/out" \\
  -b systemd.unit=hq-test.target
`

const FILES = {
  'hq-test.target':
    '[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=hq-test.service\nAllowIsolate=yes\n',
  'hq-test.service': `[Unit]
After=basic.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=4min
ExecStart=/bin/bash -eu /in/steps
StandardOutput=file:/out/said
StandardError=file:/out/wrong
`,
  'hq-failed.service': `[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "$MONITOR_UNIT ended with $MONITOR_EXIT_STATUS" > /out/failed'
`,
}

/** The commands of the page. */
const [, PAGE = ''] =
  /^## systemd, for the machine\n[^]*?^```sh\n([^]*?)^```$/m.exec(
    readFileSync('docs/keeping-it-alive.md', 'utf8'),
  ) ?? []

/** The lines of the page that a person answers or reads, as the test types them. */
const ANSWERED: Readonly<Record<string, string>> = {
  'hq init': `hq init --instance "$(cat /in/instance)" --client-id "$(cat /in/client)" --client-secret - --no-doctor < /in/secret
printf '[seed]\\nfile = token.ini\\n' >> /etc/hq-token/config.ini`,
  'hq login --no-browser': 'hq login --no-browser > /tmp/asked 2>&1',
  'hq login --complete -': 'node /in/person.mjs < /tmp/asked | hq login --complete -',
  'hq-token schedule systemd --dir /etc/systemd/system':
    'hq-token schedule systemd --if-older 1s --dir /etc/systemd/system',
  'systemctl start hq-token.service && journalctl -u hq-token': '',
}

/** Allows what the login asks for, and prints the address that a browser would end at. */
const PERSON = `import { readFileSync } from 'node:fs'
const [address] = /http:\\S+authorize\\S+/.exec(readFileSync(0, 'utf8'))
const [, nonce] = /name="nonce" value="([^"]+)"/.exec(await (await fetch(address)).text())
const body = new URLSearchParams({ nonce, decision: 'allow' })
console.log((await fetch(address, { method: 'POST', body, redirect: 'manual' })).headers.get('location'))
`

const STEPS = `
trap 'journalctl -u hq-token.service --no-pager -o cat > /out/journal' EXIT
printf '#!/bin/sh\\nexec node /usr/lib/node_modules/hq-token/dist/bin.cjs "$@"\\n' > /usr/local/bin/hq-token
chmod 755 /usr/local/bin/hq-token
${PAGE.split('\n')
  .map((line) => ANSWERED[line] ?? line)
  .join('\n')}
echo "timer: $(systemctl is-active hq-token.timer) $(systemctl show -p NextElapseUSecRealtime hq-token.timer)"
mkdir /etc/systemd/system/hq-token.service.d /etc/systemd/system/hq-token.timer.d
cat > /etc/systemd/system/hq-token.service.d/test.conf <<'END'
[Unit]
OnFailure=hq-failed.service
[Service]
ExecStartPre=/bin/sh -c 'touch /var/tmp/last-copy /dev/shm/last-copy; touch /etc/x 2>/dev/null || echo "read-only" > /var/tmp/etc'
END
systemctl daemon-reload
run() {
  status=0
  systemctl start hq-token.service || status=$?
  echo "$1: start $status, $(systemctl show -p Result -p ExecMainStatus hq-token.service | tr '\\n' ' ')"
}
sleep 2
run 'all well'
echo "last copies: $(cd /; echo var/tmp/last-copy* dev/shm/last-copy*), /etc: $(cat /var/tmp/etc)"
install -m 0600 -o hq-token /in/token.ini /etc/hq-token
hq seed --force
sleep 2
run 'seeded'
echo "seed: $(cd /etc/hq-token; echo token.ini*)"
# No address of the network can be had: an outage.
printf '[Service]\\nRestrictAddressFamilies=\\nRestrictAddressFamilies=AF_UNIX\\n' > /etc/systemd/system/hq-token.service.d/outage.conf
systemctl daemon-reload
sleep 2
run 'outage'
sleep 0.5
echo "after the outage: $(cat /out/failed 2>/dev/null || echo nothing)"
rm /etc/systemd/system/hq-token.service.d/outage.conf
sed -i '/^client_id/d' /etc/hq-token/config.ini
printf '[Timer]\\nOnCalendar=\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\nAccuracySec=1s\\n' > /etc/systemd/system/hq-token.timer.d/test.conf
systemctl daemon-reload
run 'no client'
failed() { for i in $(seq 100); do test -s /out/failed && return; sleep 0.1; done; }
failed
cp /out/failed /out/failed-once
rm /out/failed
systemctl restart hq-token.timer
failed
echo "by the timer: $(cat /out/failed)"
`

describe('the unit under a booted systemd', () => {
  let there: Place
  const out = folder()
  const read = (name: string): string => readFileSync(join(out, name), 'utf8')

  beforeAll(async () => {
    requirePrograms(['systemd-nspawn', 'systemd-container'], 'unshare')
    there = await place({})
    const into = folder()
    const { url: instance, clientId: client, clientSecret: secret } = there.sandbox
    const given = {
      instance,
      client,
      secret,
      'person.mjs': PERSON,
      'token.ini': readFileSync(there.seed, 'utf8'),
    }
    for (const [name, text] of Object.entries({ ...FILES, steps: STEPS, ...given }))
      writeFileSync(join(into, name), text)
    const dir = join(folder(), 'machine')
    mkdirSync(dir)
    const env = { PATH: process.env['PATH'], DIR: dir, IN: into, OUT: out, REPO: process.cwd() }
    const booting = spawn('timeout', ['--kill-after=10', '240', 'unshare', '--mount', 'sh', '-c', BOOT], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr } = await ended(booting)
    // A harness that cannot run has shown nothing, so it fails.
    if (!/^by the timer: /m.test(readIf(join(out, 'said'))))
      throw new Error(
        `systemd did not come to the end of the steps: ${stdout.slice(-2000)}${stderr}\n${readIf(join(out, 'wrong'))}`,
      )
  }, 300_000)

  it('refreshes, as a user of its own that may write its store and nothing of /etc', () => {
    expect(read('said')).toMatch(/^all well: start 0, Result=success ExecMainStatus=0 $/m)
    expect(read('said')).toMatch(/, \/etc: read-only$/m)
    expect(read('said')).toMatch(/^seeded: start 0, Result=success ExecMainStatus=0 $/m)
    expect(there.sandbox.refreshes()).toBe(2)
  })

  it('marks the seed that it has spent, beside the configuration', () => {
    expect(read('said')).toMatch(/^seed: token.ini token.ini.spent$/m)
  })

  it('takes an outage (75) for a success, which starts nothing of OnFailure=', () => {
    expect(read('said')).toMatch(/^outage: start 0, Result=success /m)
    expect(read('said')).toMatch(/^after the outage: nothing$/m)
    expect(read('journal')).toContain('could not be reached (EAFNOSUPPORT)')
  })

  it('a configuration that is wrong (78) is a failure, and starts what OnFailure= names', () => {
    expect(read('said')).toMatch(/^no client: start 1, Result=exit-code ExecMainStatus=78 $/m)
    expect(read('failed-once')).toBe('hq-token.service ended with 78\n')
  })

  it('leaves the last copies of an answer where they are when it ends', () => {
    expect(read('said')).toMatch(/^last copies: var\/tmp\/last-copy dev\/shm\/last-copy,/m)
  })

  it('is started by its timer, which waits for the next night', () => {
    expect(read('said')).toMatch(/^timer: active NextElapseUSecRealtime=\S/m)
    expect(read('said')).toMatch(/^by the timer: hq-token.service ended with 78$/m)
  })

  it('the page holds each line that is answered here', () => {
    for (const line of Object.keys(ANSWERED)) expect(PAGE.split('\n')).toContain(line)
  })
})

function readIf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
