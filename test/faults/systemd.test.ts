// The unit that `schedule systemd` writes, started by a real systemd: this machine's files under an overlay, booted in a
// container that shares the network. Changes no file of this machine.
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

/** As an administrator would, by the commands that `schedule` names. */
const STEPS = `
trap 'journalctl -u hq-token.service --no-pager -o cat > /out/journal' EXIT
node=$(command -v node)
program=/usr/lib/node_modules/hq-token/dist/bin.cjs
useradd --system --home-dir /var/lib/hq-token hq-token
install -d -m 0700 -o hq-token /etc/hq-token /var/lib/hq-token
install -m 0600 -o hq-token /in/config.ini /in/token.ini /etc/hq-token
setpriv --reuid hq-token --regid hq-token --clear-groups env HOME=/var/lib/hq-token \\
  HQ_TOKEN_CONFIG_DIR=/etc/hq-token HQ_TOKEN_STATE_DIR=/var/lib/hq-token "$node" "$program" seed
"$node" "$program" schedule systemd --if-older 1s --dir /etc/systemd/system
mkdir /etc/systemd/system/hq-token.service.d
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
echo "seed: $(cd /etc/hq-token; echo token.ini*)"
# No address of the network can be had: an outage.
printf '[Service]\\nRestrictAddressFamilies=\\nRestrictAddressFamilies=AF_UNIX\\n' > /etc/systemd/system/hq-token.service.d/outage.conf
systemctl daemon-reload
sleep 2
run 'outage'
sleep 0.5
echo "after the outage: $(cat /out/failed 2>/dev/null || echo nothing)"
rm /etc/systemd/system/hq-token.service.d/outage.conf
systemctl daemon-reload
sed -i '/^client_id/d' /etc/hq-token/config.ini
run 'no client'
for i in $(seq 100); do test -s /out/failed && break; sleep 0.1; done
systemctl enable --now hq-token.timer
echo "timer: $(systemctl is-active hq-token.timer) $(systemctl show -p NextElapseUSecRealtime hq-token.timer)"
`

describe('the unit under a booted systemd', () => {
  let there: Place
  const out = folder()
  const read = (name: string): string => readFileSync(join(out, name), 'utf8')

  beforeAll(async () => {
    requirePrograms(['systemd-nspawn', 'systemd-container'], 'unshare')
    there = await place({})
    const into = folder()
    for (const [name, text] of Object.entries({ ...FILES, steps: STEPS }))
      writeFileSync(join(into, name), text)
    writeFileSync(join(into, 'config.ini'), readFileSync(there.config, 'utf8').replace(/^path = .*\n/m, ''))
    writeFileSync(join(into, 'token.ini'), readFileSync(there.seed))
    const dir = join(folder(), 'machine')
    mkdirSync(dir)
    const env = { PATH: process.env['PATH'], DIR: dir, IN: into, OUT: out, REPO: process.cwd() }
    const booting = spawn('timeout', ['--kill-after=10', '240', 'unshare', '--mount', 'sh', '-c', BOOT], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr } = await ended(booting)
    // A harness that cannot run has shown nothing, so it fails.
    if (!/^timer: /m.test(readIf(join(out, 'said'))))
      throw new Error(
        `systemd did not come to the end of the steps: ${stdout.slice(-2000)}${stderr}\n${readIf(join(out, 'wrong'))}`,
      )
  }, 300_000)

  it('refreshes, as a user of its own that may write its store and nothing of /etc', () => {
    expect(read('said')).toMatch(/^all well: start 0, Result=success ExecMainStatus=0 $/m)
    expect(read('said')).toMatch(/, \/etc: read-only$/m)
    expect(there.sandbox.refreshes()).toBe(1)
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
    expect(read('failed')).toBe('hq-token.service ended with 78\n')
  })

  it('leaves the last copies of an answer where they are when it ends', () => {
    expect(read('said')).toMatch(/^last copies: var\/tmp\/last-copy dev\/shm\/last-copy,/m)
  })

  it('is started by its timer once a day', () => {
    expect(read('said')).toMatch(/^timer: active NextElapseUSecRealtime=\S/m)
  })
})

function readIf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
