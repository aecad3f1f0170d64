import { expect, it } from 'vitest'
import { notListening } from '../../src/oauth/redirect-listener.js'

const at = (code: string, platform: NodeJS.Platform) =>
  notListening(new URL('http://127.0.0.1:50100/callback'), Object.assign(new Error(code), { code }), platform)

it('a port that Windows has reserved is told with the command that shows the ranges', () => {
  expect(at('EACCES', 'win32')).toMatchObject({
    exit: 78,
    message: expect.stringContaining('Windows has reserved port 50100 of 127.0.0.1') as string,
    hint: expect.stringMatching(/^netsh int ipv4 show excludedportrange tcp .*login --no-browser$/) as string,
  })
})

it('a port that needs rights is told with the number above which none do, elsewhere', () => {
  for (const platform of ['linux', 'darwin'] as const)
    expect(at('EACCES', platform)).toMatchObject({
      exit: 78,
      hint: expect.stringMatching(/above 1023/) as string,
    })
})

it('a port that another program has is worth another try, on every system', () => {
  for (const platform of ['linux', 'win32'] as const)
    expect(at('EADDRINUSE', platform)).toMatchObject({
      exit: 75,
      hint: expect.stringMatching(/end it/) as string,
    })
})
