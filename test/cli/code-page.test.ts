import { describe, expect, it } from 'vitest'
import { forCodePage } from '../../src/cli/terminal/code-page.js'

const words = '’ ‘ “ ” … → · █ ░ Jürgen'

describe('our typographic characters', () => {
  it('are ASCII in a file or a pipe of Windows, and names stay', () => {
    expect(forCodePage(words, {}, 'win32')).toBe("' ' ' ' ... -> - # . Jürgen")
  })

  it('stay on the console of Windows and on every other system', () => {
    expect(forCodePage(words, { isTTY: true }, 'win32')).toBe(words)
    expect(forCodePage(words, {}, 'linux')).toBe(words)
  })

  it('leave JSON valid', () => {
    const json = JSON.stringify({ message: words })
    expect(JSON.parse(forCodePage(json, {}, 'win32'))).toEqual({ message: "' ' ' ' ... -> - # . Jürgen" })
  })
})
