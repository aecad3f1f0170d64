// The alert rules for Prometheus: promtool takes them, each fires when it should, and the page quotes them.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { shown } from '../support/monitoring-page.js'

const RULES = resolve('examples/prometheus-rules.yml')
const run = promisify(execFile)

interface Rule {
  readonly alert: string
  readonly labels?: unknown
  readonly annotations?: unknown
}
const { groups } = parse(readFileSync(RULES, 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[]
}
const rules = groups.flatMap((group) => group.rules)

describe('the alert rules', () => {
  beforeAll(() => {
    requirePrograms(['promtool', 'prometheus'])
  })

  it('the alert rules are taken by promtool', async () => {
    const { stdout, stderr } = await run('promtool', ['check', 'rules', '--lint-fatal', RULES])
    expect([stdout, stderr]).toEqual([`Checking ${RULES}\n  SUCCESS: ${rules.length} rules found\n\n`, ''])
  })

  it('each of the alert rules fires when it should, and not before', async () => {
    const cases = readFileSync('test/monitoring/rules.test.yml', 'utf8')
    const file = join(folder(), 'cases.yml')
    writeFileSync(file, cases.replace('rule_files: [RULES]', `rule_files: ['${RULES}']`))
    const { stdout } = await run('promtool', ['test', 'rules', file])
    expect(stdout).toContain('SUCCESS')
    for (const { alert } of rules)
      expect(cases).toMatch(new RegExp(`alertname: ${alert}\\n +exp_alerts:\\n +- exp_labels`))
  })

  it('the page quotes the alert rules, without their labels and annotations', () => {
    const quoted = rules.map((rule) => ({ ...rule, labels: undefined, annotations: undefined }))
    expect(parse(shown('- alert: '))).toEqual(quoted)
  })
})
