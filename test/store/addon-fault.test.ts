import { expect, it } from 'vitest'
import { install } from '../../src/store/sqlite/addon-fault.js'

it.each([
  [
    'win32',
    'v20.20.2',
    /^install Node 22 or newer, for which no compiler is needed, then: .*npm install -g /,
  ],
  ['win32', 'v22.15.0', /^(?!install)/],
  ['win32', 'v26.0.0', /^(?!install)/],
  ['linux', 'v20.20.2', /^(?!install)/],
] as const)(
  'SQLite without its native part is installed anew, without a compiler: %s, %s',
  (platform, version, hint) => {
    expect(install(platform, version)).toMatch(hint)
  },
)
