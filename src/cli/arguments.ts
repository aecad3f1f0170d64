// Reads options and their values for commander, in words of ours.
import { InvalidArgumentError, Option } from 'commander'
import { duration, fileName, type OptionRow, type OptionValue } from './options.js'

export function optionOf({
  flags,
  description,
  choices,
  value,
  default: usual,
  hidden,
  conflicts,
}: OptionRow): Option {
  const option = new Option(flags, description)
  if (choices !== undefined) option.choices(choices)
  if (value !== undefined) option.argParser((text) => read(value, text))
  if (usual !== undefined) option.default(usual)
  if (conflicts !== undefined) option.conflicts(conflicts)
  return hidden === true ? option.hideHelp() : option
}

function read<Value>(value: OptionValue<Value>, text: string): Value {
  const found = value.read(text)
  if (found === undefined) throw new InvalidArgumentError(value.otherwise)
  return found
}

export function seconds(text: string): number {
  return read(duration, text)
}

export function file(text: string): string {
  return read(fileName, text)
}

export function milliseconds(text: string): number {
  const found = /^(\d+)ms$/.exec(text)?.[1]
  return found === undefined ? seconds(text) * 1000 : Number(found)
}

export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
