// Writes the PowerShell script that registers the task of Windows. Pure: reads and writes nothing.
import { timeOf, type Plan, type Printed } from './plan.js'

/**
 * A script, because schtasks reads XML in UTF-16 only, which a pipe mangles. The task starts PowerShell, because a task
 * itself has no place for variables; by its whole path, because a folder of PATH may hold another. Without `Stop` PowerShell would pass over a Node that is gone, and end with 0.
 */
export function taskScript(plan: Plan): Printed {
  const { name, words, variables } = plan
  const set = Object.entries(variables).map(([key, path]) => `$env:${key} = ${literal(path)}; `)
  const run = `$ErrorActionPreference = 'Stop'; ${set.join('')}& ${words.map(argument).join(' ')}; exit $LASTEXITCODE`
  const shell = '"$env:SystemRoot\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"'
  const text = `# ${name}: keeps the grant alive. Run it in PowerShell, as the user that runs the jobs
$command = @'
-NoProfile -NonInteractive -Command "${run}"
'@
$action = New-ScheduledTaskAction -Execute ${shell} -Argument $command
$trigger = New-ScheduledTaskTrigger -Daily -At ${timeOf(plan)} -RandomDelay 01:00:00
$settings = New-ScheduledTaskSettingsSet -StartWhenAvailable -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries \`
  -MultipleInstances IgnoreNew -ExecutionTimeLimit 00:10:00
# With a password it runs also while nobody is logged on, and reaches the network and this user's files.
$who = Get-Credential -UserName "$env:USERDOMAIN\\$env:USERNAME" -Message '${name} runs as this user'
Register-ScheduledTask -TaskName '${name}' -Action $action -Trigger $trigger -Settings $settings -Force \`
  -User $who.UserName -Password $who.GetNetworkCredential().Password
`
  return { file: `${name}.ps1`, folder: '', text }
}

function argument(text: string): string {
  return /^[\w-]+$/.test(text) ? text : literal(text)
}

/**
 * A string of PowerShell. Characters beyond ASCII are written by number, because Windows PowerShell reads a script in the
 * code page of the machine; so is `%`, in whose place the task scheduler puts variables, and `"`, which ends the command.
 */
function literal(text: string): string {
  const parts = text.split(/([^\x20-\x7e]|["%])/)
  const spelt = parts.flatMap((part, at) => {
    if (at % 2 === 1) return [`[char]${part.charCodeAt(0)}`]
    return part === '' && at > 0 ? [] : [`'${part.replaceAll("'", "''")}'`]
  })
  return spelt.length === 1 ? (spelt[0] ?? '') : `(${spelt.join(' + ')})`
}
