// Tells one machine from another. Pure: asks no system.
/** A machine, as far as it can be told from others. */
export interface Host {
  /** The name that people use. */
  readonly name: string
  /** Names its installation, or its hardware (`HARDWARE`); `null` if the system has no such id (many containers). */
  readonly id: string | null
  /** Names its present boot; `null` if the system does not tell. */
  readonly boot: string | null
}

/** An id begins so that is the hardware's own: no copy of a disk takes it along. */
export const HARDWARE = 'hw-'

/** A machine keeps the id of its hardware. Where none is known, its name stands for it, although a Mac may take that from the network. */
export function lastingName({ name, id }: Host): string {
  return id?.startsWith(HARDWARE) === true ? id : name
}

/** Compares boots first: one boot is one machine whatever its name, because each container has a name of its own. */
export function isSameHost(one: Host, other: Host): boolean {
  if (one.boot !== null && one.boot === other.boot) return true
  if (one.id === null || other.id === null) return one.name === other.name
  return one.id === other.id && lastingName(one) === lastingName(other)
}
