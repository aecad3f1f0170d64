// Says what to type after `hq-token schedule`. Pure: runs nothing.
import type { Notice } from '../../../core/ports.js'
import { shellWord } from '../../../core/shell-quoting.js'
import type { Target } from './command.js'
import type { Plan, Printed } from './plan.js'

/** @param dir As typed; `undefined` where the files were printed. */
export function nextSteps(
  target: Target,
  plan: Plan,
  files: readonly Printed[],
  dir: string | undefined,
): readonly Notice[] {
  const steps = { systemd, cron, launchd, windows }[target](plan, files, dir)
  return steps.map(([message, hint]) => ({ level: 'info', message, hint }))
}

type Steps = readonly (readonly [message: string, hint: string])[]

function systemd(plan: Plan, [unit]: readonly Printed[], dir: string | undefined): Steps {
  const { name, runAs, sudo } = plan
  const put: Steps = dir === undefined ? [placed(plan, unit)] : []
  if (runAs === undefined)
    return [
      ...put,
      ['to start the timer', `systemctl --user daemon-reload && systemctl --user enable --now ${name}.timer`],
      ['without this it runs only while you are logged in', 'loginctl enable-linger'],
    ]
  const start = `${sudo}systemctl daemon-reload && ${sudo}systemctl enable --now ${name}.timer`
  return [
    ...put,
    ...account(plan, `useradd --system --home-dir /var/lib/hq-token ${shellWord(runAs)}`),
    ['to start the timer', start],
  ]
}

function launchd(plan: Plan, [list]: readonly Printed[], dir: string | undefined): Steps {
  const path = shellWord(`${dir ?? list?.folder ?? ''}/${list?.file ?? ''}`, 'linux')
  const { runAs, sudo } = plan
  const domain = runAs === undefined ? 'gui/$(id -u)' : 'system'
  const put: Steps = dir === undefined ? [placed(plan, list)] : []
  const user =
    runAs === undefined ? [] : account(plan, `sysadminctl -addUser ${shellWord(runAs)}${roleOf(runAs)}`)
  return [...put, ...user, ['to start it', `${sudo}launchctl bootstrap ${domain} ${path}`]]
}

/** An account without a password has a name with this first letter, and a number between 200 and 400. */
function roleOf(runAs: string): string {
  return runAs.startsWith('_') ? ' -roleAccount -UID 399' : ''
}

function cron({ again }: Plan, [line]: readonly Printed[], dir: string | undefined): Steps {
  const source = dir === undefined ? again() : `cat ${shellWord(`${dir}/${line?.file ?? ''}`, 'linux')}`
  return [['to add the line to your crontab, once', `(crontab -l 2>/dev/null; ${source}) | crontab -`]]
}

function windows(plan: Plan, [script]: readonly Printed[], dir: string | undefined): Steps {
  const path = `${dir ?? '.'}\\${script?.file ?? ''}`
  const put: Steps = dir === undefined ? [['to keep the script', plan.again({ dir: '.' })]] : []
  return [...put, ['to register the task', `powershell -ExecutionPolicy Bypass -File "${path}"`]]
}

/** A user of the machine needs an account, a configuration and a login of its own. */
function account({ runAs = '', variables, isOwn, sudo }: Plan, add: string): Steps {
  if (isOwn) return []
  const own = Object.entries(variables).map(([name, path]) => [name, shellWord(path, 'linux')] as const)
  const folders = own.flatMap(([name, path]) => (name.endsWith('_DIR') ? [path] : []))
  const user = shellWord(runAs)
  const as = `sudo -u ${user} ${own.map(([name, path]) => `${name}=${path}`).join(' ')}`
  return [
    [`the unit runs as ${runAs}; where there is no such user yet`, sudo + add],
    ['its folders are that user’s alone', `${sudo}install -d -m 0700 -o ${user} ${folders.join(' ')}`],
    ['and so are the configuration and the login', `${as} hq-token init; ${as} hq-token login`],
  ]
}

function placed({ again, sudo }: Plan, file: Printed | undefined): readonly [string, string] {
  return ['to put it in place', sudo + again({ dir: file?.folder ?? '.' })]
}
