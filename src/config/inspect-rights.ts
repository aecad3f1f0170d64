// Says for `doctor`, by Windows' own lists, who else may use the files of a configuration. Reads none of them but the seed.
import { resolve, win32 } from 'node:path'
import { ConfigInvalid } from '../core/errors.js'
import type { Finding } from '../core/finding.js'
import { accessFindings } from '../platform/access-findings.js'
import { isThere } from './file.js'
import type { Config } from './load.js'
import type { NamedFile } from './named-files.js'
import { pathIn, variable } from './paths.js'
import { passwordFile } from './pgpass.js'
import { seedIn } from './seed-file.js'
import type { ConfigSource } from './settings.js'
import { isSecret, type TrustedFile } from './trust.js'

/**
 * Judges the config file with its folder, because no file is judged there before it is read; all files that it names, and those
 * that are used without being named; and its seed.
 */
export function inspectRights(
  { file, seedFile, shared }: Pick<Config, 'file' | 'seedFile' | 'shared'>,
  named: readonly NamedFile[],
  source: ConfigSource,
): readonly Finding[] {
  const isFiled = shared?.isPasswordFiled === true
  const all: [path: string | null | undefined, TrustedFile][] = [
    [file, 'config'],
    ...named.map(({ setting, kind }): [string, TrustedFile] => [pathIn(setting, source), kind]),
    [variable(source.env, 'NODE_EXTRA_CA_CERTS'), 'ca'],
    [isFiled ? passwordFile(source) : undefined, 'secret'],
    [seedFile === null || seedIn(seedFile) === undefined ? undefined : seedFile, 'seed'],
  ]
  return accessFindings({
    ...{ name: 'permissions', ask: source.accessLists, profile: source },
    files: all.flatMap(([path, kind]) =>
      path && isThere(path) ? [{ path: resolve(path), isPublic: !isSecret(kind) }] : [],
    ),
    folder: file === null ? undefined : win32.dirname(file),
    ...{ problem: (message, details) => new ConfigInvalid(message, details), isReadingMild: true },
  })
}
