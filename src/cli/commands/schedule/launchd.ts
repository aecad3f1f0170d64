// Writes the property list of launchd. Pure: reads and writes nothing.
import type { Plan, Printed } from './plan.js'

/** launchd has no folder of Homebrew's; a client_secret_command may be there. */
const PATH = '/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin'

/** @see launchd.plist(5) */
export function propertyList({ name, profile, words, variables, hour, minute, runAs, home }: Plan): Printed {
  const label = `hq-token.keep-alive${profile === undefined ? '' : `.${profile}`}`
  const log =
    runAs === undefined
      ? `${home ?? ''}/Library/Logs/${name}.log`
      : `${variables['HQ_TOKEN_STATE_DIR'] ?? ''}/${name}.log`
  const environment = Object.entries({ PATH, ...variables })
  const text = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${escaped(label)}</string>
${runAs === undefined ? '' : `  <key>UserName</key>\n  <string>${escaped(runAs)}</string>\n`}  <key>ProgramArguments</key>
  <array>
${words.map((word) => `    <string>${escaped(word)}</string>`).join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${environment.map(([key, value]) => `    <key>${key}</key>\n    <string>${escaped(value)}</string>`).join('\n')}
  </dict>
  <key>StartCalendarInterval</key>
  <dict>
    <key>Hour</key>
    <integer>${hour}</integer>
    <key>Minute</key>
    <integer>${minute}</integer>
  </dict>
  <!-- A run that was missed while the machine was off is not made up: so one at each start too. -->
  <key>RunAtLoad</key>
  <true/>
  <!-- The default of 20 s could end it while it saves an answer. -->
  <key>ExitTimeOut</key>
  <integer>90</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>StandardErrorPath</key>
  <string>${escaped(log)}</string>
</dict>
</plist>
`
  const folder = runAs === undefined ? `${home ?? '~'}/Library/LaunchAgents` : '/Library/LaunchDaemons'
  return { file: `${label}.plist`, folder, text }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
