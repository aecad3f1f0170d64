// Gives a path the one spelling that all programs of Windows take for the same file, or says why no file has it. Pure.
import { win32 } from 'node:path'

/** Why a path is no name of a file; `problem` follows the name of the setting. */
export interface NoName {
  readonly problem: string
  readonly hint: string
}

/** A longer path of a database needs the prefix `\\?\`: Windows ends others at 259, and the name of a journal has 8 more. */
const LONGEST = 251

/** A drive (the current one where none is named), a share or a volume. */
const ROOT = /^(?:[A-Z]:\\|\\(?!\\)|\\\\[^?.\\][^\\]*\\[^\\]+\\|\\\\[?.]\\Volume\{[^\\]+\}\\)/i

const OTHER_NAME = 'name another file or folder'

/**
 * The one spelling of a path on Windows; elsewhere the path itself. SQLite has Windows drop the dots and spaces at its end, and
 * Node keeps them, so with two spellings there would be two locks for one database.
 *
 * @param path Absolute, as `resolve` gives it.
 * @see https://learn.microsoft.com/dotnet/standard/io/file-path-formats
 */
export function windowsSpelling(path: string, platform = process.platform): string | NoName {
  if (platform !== 'win32') return path
  const usual = withoutPrefix(path)
  const [root] = ROOT.exec(usual) ?? []
  if (root === undefined) return { problem: 'names a device or a server, and no file', hint: OTHER_NAME }
  const parts = usual.slice(root.length).split('\\')
  // Windows drops one dot of a folder, and all dots and spaces of the last name.
  const names = parts.map((part, nth) =>
    nth < parts.length - 1 ? part.replace(/\.$/, '') : part.replace(/[. ]+$/, ''),
  )
  const problem = names.map((name, nth) => (parts[nth] === '' ? undefined : problemOf(name))).find(Boolean)
  if (problem !== undefined) return { hint: OTHER_NAME, ...problem }
  const spelling = root + names.join('\\')
  return spelling.length > LONGEST ? win32.toNamespacedPath(spelling) : spelling
}

/** Whether Windows takes a file of this name for a device, in whatever folder. */
export function isDeviceName(name: string): boolean {
  return /^(?:con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|conin\$|conout\$) *(?:\.|$)/i.test(name)
}

/** A path of a drive or a share without the prefix by which Windows leaves it as it is. */
function withoutPrefix(path: string): string {
  return path.replace(/^\\\\[?.]\\(?:(UNC)\\|(?=[A-Z]:\\))/i, (_, share) =>
    share === undefined ? '' : '\\\\',
  )
}

function problemOf(name: string): (Partial<NoName> & Pick<NoName, 'problem'>) | undefined {
  const [sign] = /[<>"|?*:\p{Cc}]/u.exec(name) ?? []
  if (sign === '"')
    return {
      problem: 'holds a quotation mark, which no name on Windows has',
      hint: 'write it without; in cmd: set "NAME=VALUE", because set NAME="VALUE" makes the quotes part of the value',
    }
  if (sign === ':')
    return { problem: 'holds a colon behind the drive: Windows takes that for another name of a file' }
  if (sign !== undefined)
    return {
      problem: `holds ${/\p{Cc}/u.test(sign) ? 'a control character' : sign}, which no name on Windows has`,
    }
  // Windows itself opens another folder by such a name each time that it reads it.
  if (name === '' || /[. ]$/.test(name))
    return {
      problem:
        'holds a name that ends in dots or spaces, and programs of Windows do not agree which file that is',
    }
  return isDeviceName(name)
    ? { problem: `holds ${name.slice(0, 12)}, which is the name of a device on Windows` }
    : undefined
}
