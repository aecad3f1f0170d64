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
  const { name, runAs } = plan
  const put: Steps = dir === undefined ? [placed(unit)] : []
  if (runAs === undefined)
    return [
      ...put,
      ['to start the timer', `systemctl --user daemon-reload && systemctl --user enable --now ${name}.timer`],
      ['without this it runs only while you are logged in', 'loginctl enable-linger'],
    ]
  const start = `systemctl daemon-reload && systemctl enable --now ${name}.timer`
  return [
    ...put,
    ...account(plan, 'useradd --system --home-dir /var/lib/hq-token'),
    ['to start the timer', start],
  ]
}

function launchd(plan: Plan, [list]: readonly Printed[], dir: string | undefined): Steps {
  const path = shellWord(`${dir ?? list?.folder ?? ''}/${list?.file ?? ''}`, 'linux')
  const domain = plan.runAs === undefined ? 'gui/$(id -u)' : 'system'
  const put: Steps = dir === undefined ? [placed(list)] : []
  const user = plan.runAs === undefined ? [] : account(plan, 'sysadminctl -roleAccount -addUser')
  return [...put, ...user, ['to start it', `launchctl bootstrap ${domain} ${path}`]]
}

function cron({ again }: Plan, [line]: readonly Printed[], dir: string | undefined): Steps {
  const source =
    dir === undefined
      ? `hq-token schedule cron${again}`
      : `cat ${shellWord(`${dir}/${line?.file ?? ''}`, 'linux')}`
  return [['to add the line to your crontab, once', `(crontab -l 2>/dev/null; ${source}) | crontab -`]]
}

function windows(_: Plan, [script]: readonly Printed[], dir: string | undefined): Steps {
  const path = `${dir ?? '.'}\\${script?.file ?? ''}`
  const put: Steps = dir === undefined ? [['to keep the script', 'the same command with --dir .']] : []
  return [...put, ['to register the task', `powershell -ExecutionPolicy Bypass -File "${path}"`]]
}

/** A user of the machine needs an account, a configuration and a login of its own. */
function account({ runAs = '', variables, isOwn }: Plan, add: string): Steps {
  if (isOwn) return []
  const own = Object.entries(variables).map(([name, path]) => [name, shellWord(path, 'linux')] as const)
  const folders = own.flatMap(([name, path]) => (name.endsWith('_DIR') ? [path] : []))
  const as = `sudo -u ${runAs} ${own.map(([name, path]) => `${name}=${path}`).join(' ')}`
  return [
    [`the unit runs as ${runAs}; where there is no such user yet`, `${add} ${runAs}`],
    ['its folders are that user’s alone', `install -d -m 0700 -o ${runAs} ${folders.join(' ')}`],
    ['and so are the configuration and the login', `${as} hq-token init; ${as} hq-token login`],
  ]
}

function placed(file: Printed | undefined): readonly [string, string] {
  return ['to put it in place', `the same command with --dir ${shellWord(file?.folder ?? '')}`]
}
