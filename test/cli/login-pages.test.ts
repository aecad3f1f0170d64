import { expect, it } from 'vitest'
import { failedPage } from '../../src/cli/commands/login/login-pages.js'
import { voice } from '../../src/cli/terminal/output.js'
import { realWorld } from '../../src/cli/world.js'

it('a page shows the next command as this person types it, and nothing else as one', () => {
  const { typed } = voice(realWorld({ inherited: [] }), { config: '/srv/it’s here.ini', profile: 'acme' })
  const { html } = failedPage('it failed', 'mend it, then: hq-token login --complete - or ask', typed)
  expect(html).toContain(
    `<p>Mend it, then: <code>hq-token --config '/srv/it’s here.ini' --profile acme login --complete -</code> or ask.</p>`,
  )
})

it('a page takes nothing from outside for markup, nor for a command to the screen', () => {
  const { html } = failedPage('<b>\u202e\u001b[31m"x"', '<i>hq-token login')
  expect(html).toContain('<p>&lt;b&gt;\\x202e\\x1b[31m&quot;x&quot;.</p>')
  expect(html).toContain('<p>&lt;i&gt;<code>hq-token login</code>.</p>')
})
