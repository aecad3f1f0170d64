// Names the machine under a table of figures.
import { cpus, release, totalmem, type } from 'node:os'

export function machine(programs) {
  const [{ model }, ...more] = cpus()
  return [
    model.trim(),
    `${more.length + 1} cores`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${type()} ${release()}`,
    ...programs,
  ]
}
