import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { shellWord } from '../../src/core/shell-quoting.js'
import { hintsOf } from '../../src/platform/hints.js'
import { folder as newFolder } from '../support/folder.js'

const windows = hintsOf('win32')

describe('the commands that hints name', () => {
  it.each(['linux', 'darwin', 'freebsd'] as const)('are those of a POSIX shell on %s', (platform) => {
    const hints = hintsOf(platform)
    expect(hints.rights('/a', '/b c')).toBe("ls -ld /a '/b c'")
    expect(hints.room('/a')).toBe('df -h /a')
    expect(hints.holders('/a/token.db')).toBe('fuser /a/token.db')
    expect(hints.move('/a', '/b')).toBe('mv /a /b')
    expect(hints.remove("/it's")).toBe("rm '/it'\\''s'")
    expect(hints.set('HQ_TOKEN_STATE_DIR', '/a b')).toBe("HQ_TOKEN_STATE_DIR='/a b' ")
    expect(hints.search('job')).toBe('echo "$PATH"')
    expect(hints.unset('A')).toBe('unset A')
    expect(hints.passwords).toBe('~/.pgpass')
    expect(hints.fed('hq-token seed -')).toBe('hq-token seed - < FILE')
    expect(hints.fedBy('TOKEN', 'hq-token get --rejected -')).toBe(
      'printf %s "$TOKEN" | hq-token get --rejected -',
    )
    expect(hints.inTurn('a', 'b')).toBe('a; b')
    expect(hints.moreFiles('process')).toMatch(/^ulimit -n 1024/)
    expect(hints.moreFiles('machine')).toBe(
      platform === 'darwin' ? 'sysctl kern.num_files kern.maxfiles' : 'sysctl fs.file-nr',
    )
    expect(hints.clock()).toBe(platform === 'darwin' ? 'sntp time.apple.com' : 'timedatectl')
  })

  it('are those of PowerShell and cmd on Windows', () => {
    // Neither `;` nor `&&` is read by both.
    expect(windows.rights('C:\\a', 'C:\\b c')).toBe('icacls C:\\a, and then: icacls "C:\\b c"')
    expect(windows.inTurn('a', 'b')).toBe('a, and then: b')
    expect(windows.moreFiles('process')).not.toMatch(/ulimit|systemd/)
    expect(windows.room('d:\\hq')).toBe('fsutil volume diskfree d:')
    expect(windows.room('\\\\server\\share\\hq')).toBe('cmd /c dir \\\\server\\share\\hq')
    expect(windows.holders('C:\\a\\token.db')).toBe('resmon, its tab CPU, search handles: token.db')
    expect(windows.move('C:\\a b', 'C:\\c')).toBe('move "C:\\a b" C:\\c')
    expect(windows.remove('C:\\a&b')).toBe('del "C:\\a&b"')
    expect(windows.set('HQ_TOKEN_STATE_DIR', "C:\\it's")).toBe("$env:HQ_TOKEN_STATE_DIR = 'C:\\it''s'; ")
    expect(windows.search('job')).toBe('where.exe job')
    expect(windows.unset('A')).toBe('Remove-Item Env:A')
    // PowerShell has no `<`.
    expect(windows.fed('hq-token seed -')).toBe('cmd /c "hq-token seed - < FILE"')
    expect(windows.fedBy('TOKEN', 'hq-token get --rejected -')).toBe('$env:TOKEN | hq-token get --rejected -')
    expect(windows.clock()).toBe('w32tm /query /status')
  })

  it('name no command of another system on Windows', () => {
    const all = Object.values(windows).map((hint: unknown) =>
      typeof hint === 'string' ? hint : (hint as (...of: string[]) => string)('C:\\a', 'C:\\b'),
    )
    expect(
      all.filter((hint) =>
        /\b(?:pgpass\s|unset|printf|ls|df|fuser|mv|rm|ulimit|sysctl|systemd|chmod|chown|sudo|timedatectl|sntp)\b|\$PATH/.test(
          hint,
        ),
      ),
    ).toEqual([])
  })

  it('run as they are typed in a POSIX shell, whatever is in a path', () => {
    const folder = join(newFolder(), 'it\'s $HOME `id` & "all"')
    mkdirSync(folder)
    const file = join(folder, 'token.db')
    writeFileSync(file, '')
    const hints = hintsOf('linux')
    const typed = (command: string): number | null => spawnSync('sh', ['-c', command]).status
    expect([hints.rights(folder, file), hints.room(folder)].map(typed)).toEqual([0, 0])
    expect([hints.move(file, `${file}.away`), hints.remove(`${file}.away`)].map(typed)).toEqual([0, 0])
  })
})

describe('a word for the shells of Windows', () => {
  it.each([
    ['C:\\Users\\me\\token.db', 'C:\\Users\\me\\token.db'],
    ['C:\\Program Files\\x', '"C:\\Program Files\\x"'],
    ['C:\\Jürgen', '"C:\\Jürgen"'],
    ['C:\\a;b', '"C:\\a;b"'],
    ['C:\\$money', "'C:\\$money'"],
    ["C:\\it's $5", "'C:\\it''s $5'"],
    ['', '""'],
  ])('%s is typed as %s', (text, word) => {
    expect(shellWord(text, 'win32')).toBe(word)
  })
})
