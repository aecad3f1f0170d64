// Tells one machine from another. Pure: asks no system.
/** A machine, as far as it can be told from others. */
export interface Host {
  /** The name that people use. */
  readonly name: string
  /** Names its installation; `null` if the system has no such id (many containers). */
  readonly id: string | null
  /** Names its present boot; `null` if the system does not tell. */
  readonly boot: string | null
}

/** Compares boots first: one boot is one machine whatever its name, because each container has a name of its own. */
export function isSameHost(one: Host, other: Host): boolean {
  if (one.boot !== null && one.boot === other.boot) return true
  return one.name === other.name && (one.id === null || other.id === null || one.id === other.id)
}
