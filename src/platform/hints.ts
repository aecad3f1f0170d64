// The commands that hints name, in the words of this system. Pure: runs nothing.
import { shellWord } from '../core/shell-quoting.js'

/** Commands to be pasted into a shell: a POSIX shell, or on Windows PowerShell or cmd. They only look, unless they say so. */
export interface SystemHints {
  /** Who may read and write a file or a folder. */
  readonly rights: (...paths: readonly string[]) => string
  /** How much room the disk of a folder has. */
  readonly room: (folder: string) => string
  /** The processes that hold a file open. */
  readonly holders: (path: string) => string
  /** Moves a file out of the way. */
  readonly move: (path: string, to: string) => string
  /** Removes a file. */
  readonly remove: (path: string) => string
  /** Sets a variable for the command behind it. */
  readonly set: (name: string, value: string) => string
  /** Takes a variable away. */
  readonly unset: (name: string) => string
  /** Runs a command that reads a file as its standard input. */
  readonly fed: (command: string) => string
  /** Runs a command that reads a variable as its standard input. */
  readonly fedBy: (name: string, command: string) => string
  /** Where a command is looked for. */
  readonly search: (command: string) => string
  /** How more files may be open, of one process or of all. */
  readonly moreFiles: (whose: 'process' | 'machine') => string
  /** Several, one after the other. */
  readonly inTurn: (...commands: readonly string[]) => string
  /** The file of PostgreSQL's passwords. */
  readonly passwords: string
  /** Whether the clock is set by another one. */
  readonly clock: () => string
}

const POSIX: SystemHints = {
  rights: (...paths) => `ls -ld ${paths.map((path) => shellWord(path, 'linux')).join(' ')}`,
  room: (folder) => `df -h ${shellWord(folder, 'linux')}`,
  holders: (path) => `fuser ${shellWord(path, 'linux')}`,
  move: (path, to) => `mv ${shellWord(path, 'linux')} ${shellWord(to, 'linux')}`,
  remove: (path) => `rm ${shellWord(path, 'linux')}`,
  set: (name, value) => `${name}=${shellWord(value, 'linux')} `,
  unset: (name) => `unset ${name}`,
  fed: (command) => `${command} < FILE`,
  fedBy: (name, command) => `printf %s "$${name}" | ${command}`,
  search: () => 'echo "$PATH"',
  moreFiles: (whose) =>
    whose === 'process' ? 'ulimit -n 1024; in a unit of systemd: LimitNOFILE=1024' : 'sysctl fs.file-nr',
  inTurn: (...commands) => commands.join('; '),
  passwords: '~/.pgpass',
  clock: () => 'timedatectl',
}

/** PowerShell 5.1 has no `&&`, and cmd no `;`. */
function inTurn(...commands: readonly string[]): string {
  return commands.join(', and then: ')
}

const WINDOWS: SystemHints = {
  rights: (...paths) => inTurn(...paths.map((path) => `icacls ${shellWord(path, 'win32')}`)),
  // A share has no letter, and `dir` ends with the room of any folder.
  room: (folder) => {
    const [drive] = /^[a-z]:/i.exec(folder) ?? []
    return drive === undefined
      ? `cmd /c dir ${shellWord(folder, 'win32')}`
      : `fsutil volume diskfree ${drive}`
  },
  holders: (path) => `resmon, its tab CPU, search handles: ${path.slice(path.lastIndexOf('\\') + 1)}`,
  move: (path, to) => `move ${shellWord(path, 'win32')} ${shellWord(to, 'win32')}`,
  remove: (path) => `del ${shellWord(path, 'win32')}`,
  // PowerShell takes a text in quotes only.
  set: (name, value) => `$env:${name} = '${value.replaceAll("'", "''")}'; `,
  unset: (name) => `Remove-Item Env:${name}`,
  // PowerShell has no `<`, and its pipes write another encoding.
  fed: (command) => `cmd /c "${command} < FILE"`,
  fedBy: (name, command) => `$env:${name} | ${command}`,
  search: (command) => `where.exe ${shellWord(command, 'win32')}`,
  moreFiles: () => 'run fewer programs at one moment',
  passwords: '%APPDATA%\\postgresql\\pgpass.conf',
  inTurn,
  clock: () => 'w32tm /query /status',
}

const MACOS: SystemHints = {
  ...POSIX,
  moreFiles: (whose) => (whose === 'process' ? 'ulimit -n 1024' : 'sysctl kern.num_files kern.maxfiles'),
  clock: () => 'sntp time.apple.com',
}

export function hintsOf(platform: NodeJS.Platform): SystemHints {
  if (platform === 'win32') return WINDOWS
  return platform === 'darwin' ? MACOS : POSIX
}

/** The commands of this system. */
export const hints = hintsOf(process.platform)
