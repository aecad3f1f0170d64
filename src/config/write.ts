// Makes the text of a config file for `init`, and reads it back. Writes no file.
import { ConfigInvalid } from '../core/errors.js'
import { iniValue } from './ini.js'
import { configKeys, nameOf, type KeyName } from './keys.js'
import { loadConfig } from './load.js'
import type { Surroundings } from './paths.js'
import { readSettings } from './settings.js'

/** Texts of keys, as they are meant to be read. */
export type Texts = ReadonlyMap<KeyName, string>

/**
 * The text of a config file.
 *
 * @throws {ConfigInvalid} if a value cannot be written so that it is read unchanged.
 */
export function configText(texts: Texts): string {
  const sections = new Map<string, string>()
  for (const known of configKeys) {
    const text = texts.get(nameOf(known))
    if (text === undefined) continue
    const value = iniValue(text)
    if (value === undefined) throw unwritable(nameOf(known))
    const before = sections.get(known.section) ?? `[${known.section}]\n`
    sections.set(known.section, `${before}${known.key} = ${value}\n`)
  }
  return [...sections.values()].join('\n')
}

/**
 * Reads back a file made by `configText`, as the program will, without the environment.
 *
 * @throws {ConfigInvalid} if it is not read as it was meant.
 */
export function readBack(path: string, texts: Texts, around: Surroundings): void {
  const source = { ...around, env: {}, file: { path, rule: '--config' }, profile: undefined } as const
  loadConfig(source)
  const { settings } = readSettings(source)
  for (const known of configKeys) {
    const name = nameOf(known)
    const setting = settings[name]
    if ((setting?.from === 'file' ? setting.text : undefined) !== texts.get(name)) throw unwritable(name)
  }
}

function unwritable(name: KeyName): ConfigInvalid {
  return new ConfigInvalid(`${name.replace(/.*\./, '')} cannot be written to a config file as it is`, {
    hint: 'it can come from the environment: see config.example.ini',
  })
}
