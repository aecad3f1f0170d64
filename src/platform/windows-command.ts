// Finds how Windows starts a command: its file by PATH and PATHEXT, and the program that runs a script. Starts nothing.
import { lstatSync, statSync } from 'node:fs'
import { win32 } from 'node:path'
import { CommandNotExecutable, CommandNotFound } from '../core/errors.js'
import { shellWord } from '../core/shell-quoting.js'
import { hintsOf } from './hints.js'
import { systemProgram, variable } from './windows-programs.js'

export interface Start {
  readonly file: string
  readonly args: readonly string[]
  /** The arguments are one command line already, which Node must not quote once more. */
  readonly verbatim: boolean
  readonly env: NodeJS.ProcessEnv
}

export type Look = (path: string) => 'file' | 'folder' | 'nothing'

/** The kinds of cmd.exe where PATHEXT is missing, without those that nobody has written for decades. */
const PATHEXT = '.COM;.EXE;.BAT;.CMD'
/** The most characters of a line: cmd.exe cuts off or refuses a longer one. */
const LONGEST_LINE = 8191
/** Words that mean the same to cmd.exe with and without quotes. Batch files compare `%1` with such a word. */
const PLAIN = /^[\w#$*+\-./:?@\\\u00a0-\uffff]*[\w#$*+\-./:?@\u00a0-\uffff]$/

/**
 * How a command is started.
 *
 * A bare name is looked for in the folders of PATH. cmd.exe looks in the current folder before: there anybody may have
 * put a program who may write to it, and it would get the token.
 *
 * @param env Its PATH, PATHEXT and SystemRoot, in any case.
 * @throws {CommandNotFound
 *
 * CommandNotExecutable}
 */
export function windowsStart(
  [name = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  look: Look = lookAt,
  cwd = process.cwd(),
): Start {
  const extensions = (variable(env, 'PATHEXT') || PATHEXT).split(';').filter((one) => one.startsWith('.'))
  const path = found(name, extensions, folders(env), look, cwd)
  // Windows drops dots and spaces at the end of a name, so `x.cmd. .` is a batch file.
  const file = path.replace(/[. ]+$/, '')
  const extension = win32.extname(file).toLowerCase()
  if (['.exe', '.com'].includes(extension)) return { file, args, verbatim: false, env }
  if (extension === '.ps1') return powershell(name, env, look, [file, ...args])
  // cmd.exe also knows which program opens a file of the other kinds in PATHEXT.
  if (['.bat', '.cmd', ...extensions.map((one) => one.toLowerCase())].includes(extension))
    return byCmd(name, env, [file, ...args])
  throw new CommandNotExecutable(`${name}: Windows knows no program by such a name`, {
    hint: `name the program that runs it, as in: hq-token exec -- python ${shellWord(name, 'win32')}`,
  })
}

/** The file of the command. */
function found(
  name: string,
  extensions: readonly string[],
  path: readonly string[],
  look: Look,
  cwd: string,
): string {
  // A file without an extension is no program: npm puts one for other systems beside its `.cmd`. Nor is `my.tool` beside
  // `my.tool.cmd`, so a name with another extension comes last, for the message.
  const own = win32.extname(name).toLowerCase()
  const isRunnable = ['.ps1', ...extensions].some((one) => one.toLowerCase() === own)
  const endings = isRunnable ? ['', ...extensions] : [...extensions, ...(own === '' ? [] : [''])]
  const fileIn = (folder: string): string | undefined =>
    endings.map((ending) => win32.resolve(folder, name + ending)).find((file) => look(file) === 'file')
  const here = name === '' ? undefined : fileIn(cwd)
  if (!/[\\/]|^[a-z]:/i.test(name)) {
    const file = name === '' ? undefined : path.map(fileIn).find((one) => one !== undefined)
    if (file !== undefined) return file
    const hint =
      here === undefined
        ? `see where commands are looked for: ${hintsOf('win32').search(name)}`
        : `the current folder is not looked in; name the file: hq-token exec -- ${shellWord(`.\\${name}`, 'win32')}`
    throw new CommandNotFound(`${name}: command not found`, { hint })
  }
  if (here !== undefined) return here
  const kind = look(win32.resolve(cwd, name))
  if (kind === 'file') return win32.resolve(cwd, name)
  if (kind === 'folder')
    throw new CommandNotExecutable(`${name}: is a folder`, {
      hint: `see what is in it: dir ${shellWord(name, 'win32')}`,
    })
  throw new CommandNotFound(`${name}: no such file or directory`, {
    hint: `see what is there: dir ${shellWord(win32.dirname(win32.resolve(cwd, name)), 'win32')}`,
  })
}

/** The folders that are named whole, because another one depends on where one stands. */
function folders(env: NodeJS.ProcessEnv): string[] {
  return (variable(env, 'PATH') ?? '')
    .split(';')
    .map((folder) => folder.replace(/^"(.*)"$/, '$1'))
    .filter((folder) => /^(?:[a-z]:[\\/]|[\\/]{2})/i.test(folder))
}

/**
 * Windows PowerShell, or `pwsh` where it is missing. Whether scripts may run is the administrator's decision, so no
 * execution policy is given.
 */
function powershell(name: string, env: NodeJS.ProcessEnv, look: Look, script: readonly string[]): Start {
  const own = systemProgram('WindowsPowerShell\\v1.0\\powershell.exe', env)
  const all = [own, ...folders(env).map((folder) => win32.join(folder, 'pwsh.exe'))]
  const file = all.find((one) => look(one) === 'file')
  if (file === undefined)
    throw new CommandNotExecutable(`${name}: there is no PowerShell to run it`, { hint: 'where.exe pwsh' })
  const args = ['-NoProfile', '-File', ...script]
  return { file, args, verbatim: false, env: file === own ? withOldModules(env) : env }
}

/** PowerShell 7 hands on the folders of its modules, which Windows PowerShell finds first and cannot load. */
function withOldModules(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = (paths: string): string =>
    paths
      .split(';')
      .filter((path) => !/\\PowerShell\\/i.test(`${path}\\`))
      .join(';')
  return Object.fromEntries(
    Object.entries(env).map(([name, text]) => [name, /^PSModulePath$/i.test(name) ? own(text ?? '') : text]),
  )
}

/**
 * Runs a batch file. cmd.exe reads its command line by rules of its own, and the batch file reads `%1` by them again, so
 * that an argument can become a command (CVE-2024-27980). The rules here are those of Rust's standard library.
 */
function byCmd(name: string, env: NodeJS.ProcessEnv, words: readonly string[]): Start {
  if (words.some((word) => /[\0\r\n]/.test(word)))
    throw new CommandNotExecutable(
      `${name}: an argument has a line break, and cmd.exe would cut the command there`,
      {
        hint: 'hand the text over in a file, or run a program in place of a batch file',
      },
    )
  const line = `"${words.map((word, index) => quoted(word, index === 0)).join(' ')}"`
  // Extensions are what the escape of `%` needs; delayed expansion would expand `!NAME!`.
  const args = ['/d', '/e:ON', '/v:OFF', '/s', '/c', line]
  if (args.join(' ').length + 'cmd.exe '.length > LONGEST_LINE)
    throw new CommandNotExecutable(`${name}: its arguments are longer than cmd.exe takes`, {
      hint: `it takes a line of ${LONGEST_LINE} characters; hand the rest over in a file`,
    })
  return { file: systemProgram('cmd.exe', env), args, verbatim: true, env }
}

/**
 * A quote within is doubled, which closes and opens at once, and so what follows stays quoted for cmd.exe. A `%` expands
 * inside quotes too: `%%cd:~,%` is a `%`, and then no part of the current folder's name, so that no `%NAME%` can form.
 */
function quoted(word: string, always: boolean): string {
  if (!always && PLAIN.test(word)) return word
  const escaped = word.replace(/(\\*)("|$)/g, (_, slashes: string, quote: string) =>
    quote === '' ? slashes + slashes : `${slashes}${slashes}""`,
  )
  return `"${escaped.replaceAll('%', '%%cd:~,%')}"`
}

function lookAt(path: string): ReturnType<Look> {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file'
  } catch {
    try {
      // An app of the Microsoft Store is a link that may be run, and not be followed.
      return lstatSync(path).isDirectory() ? 'folder' : 'file'
    } catch {
      return 'nothing'
    }
  }
}
