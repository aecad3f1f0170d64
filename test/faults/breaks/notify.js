// The breaks of what tells people of trouble: see breaks-table.js.
import { tests } from './tests.js'

export default [
  {
    name: 'alerts: no claim',
    file: 'src/core/alerts.ts',
    find: '  if (records.some(isClaimed)) return undefined\n',
    replace: '  void isClaimed\n',
    by: tests('core/alerts', 'keeps others away for five minutes'),
  },
  {
    name: 'alerts: a claim that never lapses',
    file: 'src/core/alerts.ts',
    find: ' && now - claimedAt < CLAIM\n',
    replace: '\n',
    by: tests('core/alerts', 'and one tells then'),
  },
  {
    name: 'alerts: each reminder after a day',
    file: 'src/core/alerts.ts',
    find: 'remind * Math.min(2 ** claimed.told, MOST)',
    replace: 'remind + 0 * MOST',
    by: tests('core/alerts', '1, 2, 4'),
  },
  {
    name: 'alerts: a failed telling is tried by the next job',
    file: 'src/core/alerts.ts',
    find: 'dueAt: now + pause, claimedAt: null, failedAt, failure }',
    replace: 'dueAt: now + 0 * pause, claimedAt: null, failedAt, failure }',
    by: tests('core/alerts', 'ever later'),
  },
  {
    name: 'alerts: a clock that was ahead silences the reminders',
    file: 'src/core/alerts.ts',
    find: 'return dueAt <= now || Math.max(toldAt ?? 0, failedAt ?? 0) > now + DAY',
    replace: 'return dueAt <= now || Math.max(toldAt ?? 0, failedAt ?? 0) < 0 * DAY',
    by: tests('core/alerts', 'costs no reminder'),
  },
  {
    name: 'alerts: a logout is told as a loss',
    file: 'src/core/alerts.ts',
    find: "last === undefined || last.event === 'logout' ||",
    replace: 'last === undefined ||',
    by: tests('core/alerts', 'nor after a logout'),
  },
  {
    name: 'alerts: a file takes a change of what another has changed',
    file: 'src/store/sqlite/write.ts',
    find: "WHERE ${was.map(([name]) => `${name} IS ?`).join(' AND ')}`",
    replace:
      "WHERE ${was.map(([name]) => (name === 'kind' ? 'kind IS ?' : `(${name} IS ? OR TRUE)`)).join(' AND ')}`",
    by: tests('store/alerts', 'made by an older version.*only by who has read it'),
  },
  {
    name: 'alerts: a database takes a change of what another has changed',
    file: 'src/store/postgres/statements.ts',
    find: 'notice.claimed_at IS NOT DISTINCT FROM $14 AND',
    replace: '(notice.claimed_at IS NOT DISTINCT FROM $14 OR true) AND',
    by: tests('store/alerts', 'a database.*only by who has read it'),
  },
  {
    name: 'alerts: the hook gets a token of exec',
    file: 'src/wiring/notify.ts',
    find: "['HQ_TOKEN', 'HQ_TOKEN_EXPIRES_AT'",
    replace: "['HQ_TOKEN_EXPIRES_AT'",
    by: tests('e2e/notify', 'no token, secret or address'),
  },
  {
    name: 'alerts: the hook gets the client secret',
    file: 'src/wiring/open.ts',
    find: 'childEnv: () => withoutSecretVariables(env),',
    replace: 'childEnv: () => (void withoutSecretVariables, { ...env }),',
    by: tests('e2e/notify', 'no token, secret or address'),
  },
  {
    name: 'alerts: the reader of a token waits for the hook',
    file: 'src/cli/tell.ts',
    find: '        if (!keepsOutput) world.endOutput()\n',
    replace: '        void keepsOutput\n',
    by: tests('e2e/notify', 'a reader of the token'),
  },
  {
    name: 'alerts: exec loses its standard output',
    file: 'src/cli/commands/exec/exec.ts',
    find: 'await tell(session, { keepsOutput: true })',
    replace: 'await tell(session)',
    by: tests('e2e/notify', 'before the command of exec runs'),
  },
  {
    name: 'alerts: a hook that keeps SIGTERM keeps the job',
    file: 'src/platform/shell-command.ts',
    find: '        endAll(left)\n',
    replace: '        void endAll\n',
    by: tests('e2e/notify', 'hangs and keeps the signal'),
  },
  {
    name: 'alerts: a redirect is a delivery',
    file: 'src/network/post.ts',
    find: 'statusCode < 300',
    replace: 'statusCode < 400',
    by: tests('e2e/notify', 'answers 302'),
  },
  {
    name: 'alerts: an address may be plain http',
    file: 'src/config/notify.ts',
    find: 'if (problem !== undefined) throw new ConfigInvalid(`${origin.where}: the address ${problem}`)',
    replace:
      'if (problem === undefined && origin.where === "") throw new ConfigInvalid(`${origin.where}: the address ${problem}`)',
    by: tests('e2e/notify', 'a bad one there is named'),
  },
  {
    name: 'alerts: another client’s grant is told',
    file: 'src/wiring/notify.ts',
    find: "  if (health?.state === 'other_client') return undefined\n",
    replace: '',
    by: tests('e2e/notify', 'another client’s grant'),
  },
  {
    name: 'alerts: a store that takes no claim has people told',
    file: 'src/wiring/notify.ts',
    find: '    if (!(await opened.alerts.saveAlert(step, isFirst ? WAIT_MS : 0)) || !step.tells) continue\n',
    replace:
      '    if (!(await opened.alerts.saveAlert(step, isFirst ? WAIT_MS : 0).catch(() => true)) || !step.tells) continue\n',
    by: tests('faults/disk', 'takes no claim'),
  },
  {
    name: 'alerts: another process changes what is being told',
    file: 'src/core/alerts.ts',
    find: '  if (records.some(isClaimed)) return undefined\n  const over',
    replace:
      '  if (records.some(isClaimed) && alerts !== null && alerts.length > 0) return undefined\n  const over',
    by: tests('core/alerts', 'no other changes anything'),
  },
  {
    name: 'alerts: a later threshold ends trouble that was told',
    file: 'src/core/alerts.ts',
    find: 'isWorth || recordOf(kind).since !== 0)',
    replace: 'isWorth)',
    by: tests('core/alerts', 'tell of an outage sooner and later'),
  },
  {
    name: 'alerts: what people are told of is not looked at anew',
    file: 'src/wiring/notify.ts',
    find: '    const view = await viewOf(opened, config, teller)\n',
    replace: '    const view = (first ??= await viewOf(opened, config, teller))\n',
    and: [
      {
        file: 'src/wiring/notify.ts',
        find: '  for (let steps = 0; steps < MOST_STEPS; steps++) {\n',
        replace: '  let first: View | undefined\n  for (let steps = 0; steps < MOST_STEPS; steps++) {\n',
      },
    ],
    by: tests('e2e/notify', 'though the grant changes'),
  },
  {
    name: 'alerts: the hook’s words show the address of a webhook',
    file: 'src/wiring/deliver.ts',
    find: "'$1/…')",
    replace: "'$&')",
    by: tests('e2e/notify', 'quotes an address'),
  },
]
