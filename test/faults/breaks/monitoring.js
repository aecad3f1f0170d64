// The breaks that the readers of `check` must notice, and those of docs/monitoring.md: see breaks-table.js.
import { tests } from './tests.js'

const CHECK = 'src/cli/commands/check'

export default [
  {
    name: 'monitoring: a line is longer than a packet of nrpe',
    file: `${CHECK}/line.ts`,
    find: 'const MOST = 1023\n',
    replace: 'const MOST = 1200\n',
    by: tests('monitoring/nrpe', 'the longest line arrives whole'),
  },
  {
    name: 'monitoring: the exit code is another one',
    file: 'src/core/check.ts',
    find: 'WARNING: 1, CRITICAL: 2,',
    replace: 'WARNING: 2, CRITICAL: 1,',
    by: tests('monitoring/nrpe', 'line and exit code of all four states'),
  },
  {
    name: 'monitoring: performance data that no reader can split',
    file: `${CHECK}/line.ts`,
    find: '[`${label}=${number}${rest}`]',
    replace: '[`${label} = ${number}${rest}`]',
    by: tests('monitoring/plugin-library', 'finds every label'),
  },
  {
    name: 'monitoring: a range alerts at its own end',
    file: 'src/core/range.ts',
    find: 'value >= start && value <= end',
    replace: 'value >= start && value < end',
    by: tests('monitoring/plugin-library', 'alerts for the same values'),
  },
  {
    name: 'monitoring: a gauge is called a counter',
    file: `${CHECK}/prometheus.ts`,
    find: ' gauge\\n`',
    replace: ' counter\\n`',
    by: tests('monitoring/metrics', 'are taken by promtool without a word'),
  },
  {
    name: 'monitoring: metrics without an end',
    file: `${CHECK}/prometheus.ts`,
    find: "${groups.join('')}# EOF\\n",
    replace: "${groups.join('')}",
    by: tests('monitoring/metrics', 'the same to both parsers'),
  },
  {
    name: 'monitoring: the series of all profiles are the same',
    file: `${CHECK}/prometheus.ts`,
    find: '        profile: measured.profile,\n',
    replace: "        profile: 'default',\n",
    by: tests('monitoring/metrics', 'two profiles are served side by side'),
  },
  {
    name: 'monitoring: node_exporter may not read the textfile',
    file: `${CHECK}/textfile.ts`,
    find: 'draft.takePlace(0o644)',
    replace: 'draft.takePlace(0o600)',
    by: tests('monitoring/textfile', 'never sees half a textfile'),
  },
  {
    name: 'monitoring: a textfile is written in place',
    file: `${CHECK}/textfile.ts`,
    find: '        writeFileSync(draft.fd, text)\n        draft.takePlace(0o644)\n',
    replace: '        draft.remove()\n        writeFileSync(file, text, { mode: 0o644 })\n',
    by: tests('monitoring/textfile', 'never sees half a textfile'),
  },
  {
    name: 'monitoring: an alert comes a day early',
    file: 'examples/prometheus-rules.yml',
    find: '< 14 * 86400\n',
    replace: '< 15 * 86400\n',
    by: tests('monitoring/rules', 'fires when it should, and not before'),
  },
  {
    name: 'monitoring: an alert does not wait',
    file: 'examples/prometheus-rules.yml',
    find: '        for: 30m\n',
    replace: '',
    by: tests('monitoring/rules', 'fires when it should, and not before'),
  },
  {
    name: 'monitoring: a check that never ran is not told',
    file: 'examples/prometheus-rules.yml',
    find: ' or absent(hq_token_check_timestamp_seconds)\n',
    replace: '\n',
    by: tests('monitoring/rules', 'fires when it should, and not before'),
  },
  {
    name: 'monitoring: the page quotes another rule',
    file: 'docs/monitoring.md',
    find: '  for: 1h\n',
    replace: '  for: 2h\n',
    by: tests('monitoring/rules', 'the page quotes the alert rules'),
  },
  {
    name: 'monitoring: the sign of life comes without the exit code',
    file: 'docs/monitoring.md',
    find: 'hq-token refresh --if-older 7d; curl -fsS -m 10 --retry 5 -o /dev/null "https://hc-ping.com/UUID/$?"',
    replace:
      'hq-token refresh --if-older 7d | cat; curl -fsS -m 10 --retry 5 -o /dev/null "https://hc-ping.com/UUID/$?"',
    by: tests('monitoring/dead-mans-switch', 'the path ends with the exit code'),
  },
  {
    name: 'monitoring: the agent asks without sudo',
    file: 'docs/monitoring.md',
    find: 'command[check_hq_token]=/usr/bin/sudo -n -H -u jobs /usr/local/bin/hq-token check',
    replace: 'command[check_hq_token]=/usr/local/bin/hq-token check',
    by: tests('monitoring/nrpe', 'line and exit code of all four states'),
  },
  {
    name: 'monitoring: sudo lets the agent run anything',
    file: 'docs/monitoring.md',
    find: 'nagios ALL=(jobs) NOPASSWD: /usr/local/bin/hq-token check\n',
    replace: 'nagios ALL=(jobs) NOPASSWD: /usr/local/bin/hq-token\n',
    by: tests('monitoring/nrpe', 'sudo lets the agent run nothing but'),
  },
]
