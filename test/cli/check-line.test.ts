import { describe, expect, it } from 'vitest'
import { statusLine } from '../../src/cli/commands/check/line.js'

describe('a line for a monitoring system', () => {
  it('a line keeps its performance data whole, however long the words are', () => {
    const line = statusLine('OK', '\u00e9 '.repeat(2000), 'a=1s;;;;')
    expect(1023 - Buffer.byteLength(line)).toBeLessThanOrEqual(1)
    expect(line).toMatch(/^HQ_TOKEN OK - e e .*\.\.\.\|a=1s;;;;\n$/)
  })

  it.each([
    ['M\u00fcller \u00d8rsted \u0141\u00f3d\u017a', 'Muller Orsted Lodz'],
    ['a\nb\tc\r\u0007\u200b d', 'a b c d'],
    ['`~$&"\'<>|', 'and/'],
    ['\u65e5\u672c \ud83d\ude00', '?? ?'],
    ["--config '/a b/(c).ini' doctor", '--config /a\\ b/\\(c\\).ini doctor'],
    ["the server's clock, and the client's", 'the servers clock, and the clients'],
    ["sudo -u '#1000' hq-token \u2026", 'sudo -u \\#1000 hq-token ...'],
  ])('a line says %j as %j', (text, plain) => {
    expect(statusLine('OK', text)).toBe(`HQ_TOKEN OK - ${plain}\n`)
  })
})
