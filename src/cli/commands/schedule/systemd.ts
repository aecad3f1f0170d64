// Writes the two units of systemd. Pure: reads and writes nothing.
import { isBelow, timeOf, type Plan, type Printed } from './plan.js'

/** The folders that `ProtectHome=` hides. */
export const HOMES = ['/home', '/root', '/run/user']

const STATE = '/var/lib/'

export function systemdUnits(plan: Plan): readonly [service: Printed, timer: Printed] {
  const { name, runAs, home } = plan
  const folder = runAs === undefined ? `${home ?? '~'}/.config/systemd/user` : '/etc/systemd/system'
  const about = `Description=Keeps the OAuth2 grant of ${name} alive`
  const service = `[Unit]
${about}
${runAs === undefined ? '' : 'Wants=network-online.target\nAfter=network-online.target\n'}# OnFailure=…@%n.service gets the exit codes 4, 65, 74 and 78 (75, try again later, is no failure here)

[Service]
Type=oneshot
${runAs === undefined ? ofUser(plan) : ofMachine(plan, runAs)}`
  const timer = `[Unit]
${about}

[Timer]
OnCalendar=*-*-* ${timeOf(plan)}
# A fleet does not knock at once. A run that was missed is made up, after this delay again: so not more than an hour.
RandomizedDelaySec=1h
FixedRandomDelay=yes
Persistent=yes

[Install]
WantedBy=timers.target
`
  return [
    { file: `${name}.service`, folder, text: service },
    { file: `${name}.timer`, folder, text: timer },
  ]
}

function ofUser(plan: Plan): string {
  return `${environment(plan)}
${start(plan)}
${LIMITS}
`
}

function ofMachine(plan: Plan, runAs: string): string {
  const { reads, writes, words } = plan
  const [node = '', script = ''] = words
  const isInHome = [node, script, ...reads, ...writes].some((path) =>
    HOMES.some((home) => isBelow(path, home)),
  )
  // systemd makes a folder of its own for the service, with the right owner, where the name is a plain one.
  const state = writes.filter((path) => /^\/var\/lib\/[\w-]+$/.test(path))
  const others = [...new Set(writes)].filter((path) => !state.some((own) => isBelow(path, own)))
  const stateLines = state
    .slice(0, 1)
    .map((path) => `StateDirectory=${path.slice(STATE.length)}\nStateDirectoryMode=0700\n`)
  return `# A user of its own, not DynamicUser: a person must be able to log in as it, and the last copies of an answer must
# outlive the unit.
User=${runAs}
${stateLines.join('')}${environment(plan)}
# For a client secret by credential, take it out of the config file, and:
# LoadCredential=client-secret:/etc/hq-token/client-secret
# Environment=HQ_TOKEN_CLIENT_SECRET_FILE=%d/client-secret
${start(plan)}
${LIMITS}
ProtectSystem=strict
# Where an answer goes when the store's disk fails. So no PrivateTmp either.
ReadWritePaths=-/var/tmp -/dev/shm${others.map((path) => ` ${word(path)}`).join('')}
ProtectHome=${isInHome ? 'read-only' : 'yes'}
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
# Not ProcSubset=pid: /proc/sys/kernel/random/boot_id tells one boot from the next.
# A client_secret_command runs with all of this too: it may want AF_NETLINK here, or a home.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: V8 makes code at run time.
`
}

/** 75 is an outage, which the next run makes good. */
const LIMITS = `SuccessExitStatus=75
TimeoutStartSec=5min
TimeoutStopSec=90
UMask=0077
NoNewPrivileges=yes`

function environment(plan: Plan): string {
  const entries = Object.entries(plan.variables)
  return `Environment=${entries.map(([name, path]) => placed(`${name}=`, path, plan)).join(' ')}`
}

function start(plan: Plan): string {
  // systemd starts no program whose path holds a quote or a backslash.
  const words = /["'\\]/.test(plan.words[0] ?? '') ? ['/usr/bin/env', ...plan.words] : plan.words
  // The colon keeps systemd from putting a variable in the place of `$`.
  const colon = words.some((text) => text.includes('$')) ? ':' : ''
  return `ExecStart=${colon}${words.map((text) => placed('', text, plan)).join(' ')}`
}

/** A user's unit names the home folder as `%h`, so that it can be copied to another host. */
function placed(before: string, text: string, { runAs, home }: Plan): string {
  if (runAs !== undefined || home === undefined || home === '/' || !isBelow(text, home))
    return word(before + text)
  return word(`${before}\0${text.slice(home.length)}`).replace('\0', '%h')
}

/** @see systemd.syntax(7), quoting; systemd.unit(5), specifiers */
export function word(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll(/["\\]/g, '\\$&')
  return /^[\w@%+=:,./~$\0-]+$/.test(escaped) ? escaped : `"${escaped}"`
}
