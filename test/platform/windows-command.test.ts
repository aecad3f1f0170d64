import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CommandNotExecutable, CommandNotFound } from '../../src/core/errors.js'
import { windowsStart, type Look, type Start } from '../../src/platform/windows-command.js'

const SHELL = 'C:\\Windows\\System32\\cmd.exe'
const POWERSHELL = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe'
const ENV = {
  Path: 'C:\\Windows\\System32;"D:\\my tools";;C:\\npm',
  PathExt: '.COM;.EXE;.BAT;.CMD;.PY',
  SYSTEMROOT: 'C:\\Windows',
}

const disk =
  (...files: readonly string[]): Look =>
  (path) => {
    const wanted = path.toLowerCase()
    if (files.some((file) => file.toLowerCase() === wanted)) return 'file'
    return files.some((file) => file.toLowerCase().startsWith(`${wanted}\\`)) ? 'folder' : 'nothing'
  }

const start = (
  command: readonly string[],
  files: readonly string[],
  env: NodeJS.ProcessEnv = ENV,
  cwd = 'C:\\work',
): Start => windowsStart(command, env, disk(...files), cwd)

const fileOf = (name: string, ...files: readonly string[]): string => {
  const { file, args, verbatim } = start([name], files)
  return verbatim ? (/^"+([^"]+)/.exec(args.at(-1) ?? '')?.[1] ?? '') : file
}

const fault = (
  command: readonly string[],
  files: readonly string[] = [],
): { kind: unknown; said: string; hint: string | undefined } => {
  try {
    start(command, files)
  } catch (error) {
    if (error instanceof CommandNotFound || error instanceof CommandNotExecutable)
      return { kind: error.exit, said: error.message, hint: error.hint }
    throw error
  }
  throw new Error('it was started')
}

describe('a command of Windows is found', () => {
  it.each([
    ['by PATHEXT', 'node', ['C:\\npm\\node.exe'], 'C:\\npm\\node.EXE'],
    ['by its extension', 'node.exe', ['C:\\npm\\node.exe'], 'C:\\npm\\node.exe'],
    [
      'in the first folder that has it',
      'job',
      ['C:\\npm\\job.exe', 'D:\\my tools\\job.cmd'],
      'D:\\my tools\\job.CMD',
    ],
    [
      'by the first extension that a folder has',
      'job',
      ['C:\\npm\\job.cmd', 'C:\\npm\\job.exe'],
      'C:\\npm\\job.EXE',
    ],
    [
      'beside npm’s script for other systems',
      'npm',
      ['C:\\npm\\npm', 'C:\\npm\\npm.cmd'],
      'C:\\npm\\npm.CMD',
    ],
    [
      'beside npm’s script for other systems that has a dot in its name',
      'my.tool',
      ['C:\\npm\\my.tool', 'C:\\npm\\my.tool.cmd'],
      'C:\\npm\\my.tool.CMD',
    ],
    ['with a dot in its name', 'python3.12', ['C:\\npm\\python3.12.exe'], 'C:\\npm\\python3.12.EXE'],
    ['past a folder by its name', 'a.cmd', ['C:\\npm\\a.cmd\\x', 'C:\\npm\\a.cmd.exe'], 'C:\\npm\\a.cmd.EXE'],
    ['by a relative path', '.\\job', ['C:\\work\\job.cmd'], 'C:\\work\\job.CMD'],
    ['by a path with slashes', './bin/job.cmd', ['C:\\work\\bin\\job.cmd'], 'C:\\work\\bin\\job.cmd'],
    ['by a drive', 'D:\\job', ['D:\\job.bat'], 'D:\\job.BAT'],
    ['as a script that another program runs', 'job.py', ['C:\\npm\\job.py'], 'C:\\npm\\job.py'],
  ])('a command of Windows is found %s', (_, name, files, file) => {
    expect(fileOf(name, ...files)).toBe(file)
  })

  it('a command of Windows is found by the extensions of every system where PATHEXT is missing or empty', () => {
    for (const env of [{}, { PATHEXT: '' }])
      expect(start(['job'], ['C:\\npm\\job.exe'], { PATH: 'C:\\npm', ...env }).file).toBe('C:\\npm\\job.EXE')
  })

  it('a command of Windows is not found in the current folder, where anybody may have put it', () => {
    expect(fault(['node'], ['C:\\work\\node.exe'])).toEqual({
      kind: 127,
      said: 'node: command not found',
      hint: 'the current folder is not looked in; name the file: hq-token exec -- .\\node',
    })
    expect(fileOf('node', 'C:\\work\\node.exe', 'C:\\npm\\node.exe')).toBe('C:\\npm\\node.EXE')
  })

  it.each(['.', 'bin', '\\bin', 'C:bin', '..\\work'])(
    'a command of Windows is not found in the folder %s of PATH, which leads to where one stands',
    (folder) => {
      const files = ['C:\\work\\node.exe', 'C:\\work\\bin\\node.exe', 'C:\\bin\\node.exe']
      expect(() => start(['node'], files, { PATH: folder })).toThrow(CommandNotFound)
      expect(start(['node'], [...files, 'C:\\npm\\node.exe'], { PATH: `${folder};C:\\npm` }).file).toBe(
        'C:\\npm\\node.EXE',
      )
    },
  )

  it.each([
    ['no command', 'nosuch', 127, 'nosuch: command not found', 'where.exe nosuch'],
    ['no name', '', 127, ': command not found', 'where.exe'],
    ['no file', 'C:\\no\\such.exe', 127, 'C:\\no\\such.exe: no such file or directory', 'dir C:\\no'],
    ['no file by a slash', 'no/such', 127, 'no/such: no such file or directory', 'dir C:\\work\\no'],
    ['no file of a drive', 'D:such', 127, 'D:such: no such file or directory', 'dir'],
    ['a folder', 'C:\\my dir', 126, 'C:\\my dir: is a folder', 'dir "C:\\my dir"'],
    [
      'no program',
      'C:\\my dir\\x.txt',
      126,
      'C:\\my dir\\x.txt: Windows knows no program by such a name',
      'hq-token exec -- python "C:\\my dir\\x.txt"',
    ],
    [
      'a stream of a file',
      'C:\\my dir\\x.cmd::$DATA',
      126,
      'C:\\my dir\\x.cmd::$DATA: Windows knows no program by such a name',
      'python',
    ],
  ])('a command of Windows that is %s is told as such', (_, name, kind, said, hint) => {
    const files = ['C:\\my dir\\x.txt', 'C:\\my dir\\x.cmd::$DATA']
    expect(fault([name], files)).toMatchObject({ kind, said, hint: expect.stringContaining(hint) as string })
  })
})

describe('a command of Windows is started', () => {
  it('a command of Windows is started by itself if it is a program, with any argument', () => {
    const args = ['a\nb', '%PATH%', '"']
    expect(start(['a', ...args], ['C:\\npm\\a.com'])).toEqual({
      file: 'C:\\npm\\a.COM',
      args,
      verbatim: false,
      env: ENV,
    })
  })

  it('a command of Windows is started by PowerShell if it is its script, and by pwsh where that is missing', () => {
    const script = 'C:\\npm\\job.ps1'
    const pwsh = 'D:\\my tools\\pwsh.exe'
    const args = ['-NoProfile', '-File', script, 'a b']
    expect(start(['job.ps1', 'a b'], [script, pwsh, POWERSHELL])).toEqual({
      file: POWERSHELL,
      args,
      verbatim: false,
      env: ENV,
    })
    expect(start(['job.ps1', 'a b'], [script, pwsh])).toEqual({ file: pwsh, args, verbatim: false, env: ENV })
    expect(fault(['job.ps1'], [script])).toMatchObject({ kind: 126 })
  })

  it('a script does not get the modules of PowerShell 7 in Windows PowerShell, which cannot load them', () => {
    const [script, pwsh] = ['C:\\npm\\job.ps1', 'D:\\my tools\\pwsh.exe']
    const old = ['C:\\Users\\a\\Documents\\WindowsPowerShell\\Modules', 'D:\\firm\\Modules']
    const theirs = [
      'c:\\program files\\powershell\\7\\Modules',
      'C:\\Users\\a\\Documents\\PowerShell\\Modules',
    ]
    const env = { ...ENV, PSMODULEPATH: [theirs[0], old[0], theirs[1], old[1]].join(';') }
    expect(start(['job.ps1'], [script, POWERSHELL], env).env).toEqual({ ...env, PSMODULEPATH: old.join(';') })
    expect(start(['job.ps1'], [script, pwsh], env).env).toEqual(env)
  })

  it('a command of Windows is started by cmd.exe if it is a batch file, each word quoted that may need it', () => {
    const batch = 'D:\\100% my & tools\\job.cmd'
    expect(
      start([batch, '-x', 'C:\\a', 'a b', 'a"b\\"', 'dir\\', '%PATH%', '', 'é', '^', 'a,b'], [batch]),
    ).toEqual({
      file: SHELL,
      args: [
        ...['/d', '/e:ON', '/v:OFF', '/s', '/c'],
        '""D:\\100%%cd:~,% my & tools\\job.cmd" -x C:\\a "a b" "a""b\\\\""" "dir\\\\" "%%cd:~,%PATH%%cd:~,%" "" é "^" "a,b""',
      ],
      verbatim: true,
      env: ENV,
    })
  })

  it('a command of Windows is started by cmd.exe too if dots and spaces hide that it is a batch file', () => {
    const { file, args } = start(['C:\\a\\job.BAT. .', '"&calc'], ['C:\\a\\job.BAT. .'])
    expect(file).toBe(SHELL)
    expect(args.at(-1)).toBe('""C:\\a\\job.BAT" """&calc""')
  })

  it.each([
    ['a line break', 'a\nb', 'line break'],
    ['a carriage return', 'a\rb', 'line break'],
    ['more than cmd.exe takes', 'x'.repeat(8192), 'longer'],
  ])('a command of Windows is not started if it is a batch file and an argument has %s', (_, word, said) => {
    const { kind, said: message } = fault(['job', word], ['C:\\npm\\job.cmd'])
    expect(kind).toBe(126)
    expect(message).toContain(said)
  })

  it('a command of Windows gets every argument as it is, and none becomes a command, by the rules of cmd.exe', () => {
    const word = fc
      .array(
        fc.constantFrom(
          ...Array.from('"\\%&|<>^()!;,= aé$*?'),
          '%PATH%',
          '%cd%',
          '"&calc&"',
          '%cd:~,%',
          '%x:a=b%',
          '%%',
          '~',
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const line = start(['job', ...words], ['C:\\npm\\job.cmd']).args.at(-1) ?? ''
        const seen = expanded(line.slice(1, -1), { path: '" & evil & "', cd: 'C:\\a & b', x: '&' })
        expect(unquoted(seen)).not.toMatch(/[&|<>^()]/)
        expect(argv(seen)).toEqual(['C:\\npm\\job.CMD', ...words])
      }),
      { numRuns: 5_000 },
    )
  })
})

/** A typed line as cmd.exe expands it: a name that it does not know stays. */
function expanded(line: string, variables: Readonly<Record<string, string>>): string {
  let out = ''
  for (let at = 0; at < line.length;) {
    const end = line.indexOf('%', at + 1)
    const [, name = '', change] =
      (line[at] === '%' && end > 0 && /^([^:]+)(:.*)?$/s.exec(line.slice(at + 1, end))) || []
    const value = variables[name.toLowerCase()]
    if (value === undefined) {
      out += line[at] ?? ''
      at += 1
      continue
    }
    out += change === ':~,' ? '' : value
    at = end + 1
  }
  return out
}

/** The parts of a line in which cmd.exe looks for its operators. */
function unquoted(line: string): string {
  return line
    .split('"')
    .filter((_, index) => index % 2 === 0)
    .join('"')
}

/** The arguments that a program of Microsoft's C library finds in a line. */
function argv(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let isQuoted = false
  for (let at = 0; at < line.length; at += 1) {
    const [slashes = ''] = /^\\*/.exec(line.slice(at)) ?? []
    const next = line[at + slashes.length]
    if (slashes !== '' && next === '"') {
      word = (word ?? '') + '\\'.repeat(slashes.length / 2) + (slashes.length % 2 === 1 ? '"' : '')
      at += slashes.length - (slashes.length % 2 === 1 ? 0 : 1)
    } else if (line[at] === '"') {
      word ??= ''
      if (isQuoted && line[at + 1] === '"') {
        word += '"'
        at += 1
      } else isQuoted = !isQuoted
    } else if (line[at] === ' ' && !isQuoted) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + (line[at] ?? '')
  }
  return word === undefined ? words : [...words, word]
}
