import { expect, it } from 'vitest'
import { hasScreen } from '../../src/platform/browser.js'

it.each([
  ['win32', { SESSIONNAME: 'Console' }, true],
  ['win32', { SESSIONNAME: 'RDP-Tcp#5' }, true],
  ['win32', { SessionName: 'Console' }, true],
  ['win32', { SESSIONNAME: 'Services' }, false],
  ['win32', {}, false],
  ['win32', { SESSIONNAME: 'Console', SSH_CONNECTION: '192.0.2.1 1 192.0.2.2 22' }, false],
  ['darwin', {}, true],
  ['darwin', { SSH_CONNECTION: '192.0.2.1 1 192.0.2.2 22' }, false],
  ['linux', {}, false],
  ['linux', { DISPLAY: ':0' }, true],
  ['linux', { BROWSER: 'w3m', SSH_CONNECTION: '192.0.2.1 1 192.0.2.2 22' }, true],
] as const)('a browser is opened only where a person sees it: %s, %j', (platform, env, expected) => {
  expect(hasScreen(env, platform)).toBe(expected)
})
