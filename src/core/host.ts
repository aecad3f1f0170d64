/** A machine, as far as it can be told from others. */
export interface Host {
  /** As people call it. */
  readonly name: string
  /** Of its installation; `null` where the system has none (many containers). */
  readonly id: string | null
  /** Of its present run; `null` where the system does not tell. */
  readonly boot: string | null
}

/** One boot is one machine, whatever it is called: each container has a name of its own. */
export function isSameHost(one: Host, other: Host): boolean {
  if (one.boot !== null && one.boot === other.boot) return true
  return one.name === other.name && (one.id === null || other.id === null || one.id === other.id)
}
