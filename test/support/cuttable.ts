import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterAll } from 'vitest'
import { freePort } from '../../scripts/servers/ports.js'

/** A link to a PostgreSQL server that can be cut in each way in which real ones are. */
export interface Cuttable {
  readonly port: number
  /** How many connections there have been. */
  readonly connections: number
  /** New connections are refused from here on. Those that are open stay. */
  refuse(): void
  /** Ends `refuse` and `silence`. What was on its way when the link fell silent arrives late, as TCP repeats it. */
  allow(): Promise<void>
  /** Resets all connections that are open, on both sides. */
  reset(): void
  /** Nothing passes in either way, nor does an end. Connections stay open, and new ones are accepted. */
  silence(): void
  /**
   * Passes the next request that matches on, waits until the server has answered it, and resets the connection
   * instead of passing the answer: the word of a COMMIT is lost. Resolves then.
   *
   * @param request Is searched in the bytes as they are sent: the text of a statement, not its values' types.
   */
  swallowAnswerTo(request: RegExp): Promise<void>
  /** Holds the next request that matches, and all after it, before the server hears of it. Resolves then. */
  hold(request: RegExp): Promise<Held>
  /** Lets the server answer the next request that matches, and holds the answer. Resolves then. */
  holdAnswerTo(request: RegExp): Promise<Held>
  /** Resolves when the next request that matches has come. It is not held. */
  seen(request: RegExp): Promise<void>
  /** New connections go to another server from here on. */
  leadTo(port: number): void
}

export interface Held {
  /** Passes on what was held; nothing, if the connection has ended since. */
  readonly letGo: () => void
}

const cleanups: (() => void)[] = []
afterAll(() => {
  for (const clean of cleanups.splice(0)) clean()
})

/** A TCP proxy before a server on this machine. Ends with the test file. */
export async function cuttable(to: number): Promise<Cuttable> {
  const proxy = new Proxy(to, await freePort())
  await proxy.allow()
  cleanups.push(() => {
    proxy.refuse()
    proxy.reset()
  })
  return proxy
}

interface Trap {
  readonly request: RegExp
  readonly kind: 'swallow' | 'request' | 'answer' | 'seen'
  readonly sprung: (held: Held) => void
}

class Proxy implements Cuttable {
  readonly port: number
  connections = 0
  readonly #links = new Set<Link>()
  readonly #traps = new Set<Trap>()
  #isSilent = false

  readonly #listener = createServer((client) => {
    this.connections += 1
    const link = new Link(client, connect(this.#to, '127.0.0.1'), this.#traps)
    this.#links.add(link)
    link.client.on('close', () => this.#links.delete(link))
    if (this.#isSilent) link.silence()
  })
  #to: number

  constructor(to: number, port: number) {
    this.#to = to
    this.port = port
  }

  refuse(): void {
    this.#listener.close()
  }

  async allow(): Promise<void> {
    this.#isSilent = false
    for (const link of this.#links) link.speak()
    if (this.#listener.listening) return
    this.#listener.listen(this.port, '127.0.0.1')
    await once(this.#listener, 'listening')
  }

  reset(): void {
    for (const link of this.#links) link.reset()
  }

  silence(): void {
    this.#isSilent = true
    for (const link of this.#links) link.silence()
  }

  async swallowAnswerTo(request: RegExp): Promise<void> {
    await this.#trap(request, 'swallow')
  }

  hold(request: RegExp): Promise<Held> {
    return this.#trap(request, 'request')
  }

  holdAnswerTo(request: RegExp): Promise<Held> {
    return this.#trap(request, 'answer')
  }

  async seen(request: RegExp): Promise<void> {
    await this.#trap(request, 'seen')
  }

  leadTo(port: number): void {
    this.#to = port
  }

  #trap(request: RegExp, kind: Trap['kind']): Promise<Held> {
    return new Promise((sprung) => {
      this.#traps.add({ request, kind, sprung })
    })
  }
}

/** ReadyForQuery: the server has done all that it was asked for, and committed it. */
const READY = /Z\0\0\0\x05[ITE]$/

/** One connection, whose messages are small enough to be passed on without back-pressure. */
class Link {
  readonly client: Socket
  readonly #server: Socket
  readonly #traps: Set<Trap>
  #isSilent = false
  #asked = ''
  #answered = ''
  #trap: Trap | undefined
  #isHolding = false
  /** What has not been passed on, in the order in which it came, and where it goes. */
  readonly #held: { readonly to: Socket; readonly bytes: Buffer }[] = []

  constructor(client: Socket, server: Socket, traps: Set<Trap>) {
    this.client = client
    this.#server = server
    this.#traps = traps
    for (const [from, to] of [[client, server] as const, [server, client] as const]) {
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (from === client) this.#request(bytes)
        else this.#answer(bytes)
      })
      from.on('end', () => to.end())
      from.on('error', () => undefined)
      from.on('close', (hasError) => {
        if (hasError && !this.#isSilent) to.resetAndDestroy()
      })
    }
  }

  silence(): void {
    this.#isSilent = true
    this.client.pause()
    this.#server.pause()
  }

  speak(): void {
    this.#isSilent = false
    if (this.client.destroyed || this.#server.destroyed) this.reset()
    if (!this.#isHolding) this.#flush()
    this.client.resume()
    this.#server.resume()
  }

  reset(): void {
    this.client.resetAndDestroy()
    this.#server.resetAndDestroy()
  }

  #request(bytes: Buffer): void {
    this.#asked += bytes.toString('latin1')
    for (const trap of this.#traps)
      if (this.#trap === undefined && trap.request.test(this.#asked)) {
        this.#traps.delete(trap)
        if (trap.kind === 'seen') trap.sprung({ letGo: () => undefined })
        else this.#trap = trap
        if (trap.kind === 'request') this.#hold(trap)
      }
    this.#pass(this.#server, bytes)
  }

  #answer(bytes: Buffer): void {
    this.#answered += bytes.toString('latin1')
    const isReady = READY.test(this.#answered)
    if (this.#trap?.kind === 'swallow') {
      if (isReady) this.reset()
      if (isReady) this.#trap.sprung({ letGo: () => undefined })
    } else {
      if (this.#trap?.kind === 'answer' && isReady) this.#hold(this.#trap)
      this.#pass(this.client, bytes)
    }
    if (isReady) this.#asked = this.#answered = ''
  }

  #pass(to: Socket, bytes: Buffer): void {
    this.#held.push({ to, bytes })
    if (!this.#isHolding) this.#flush()
  }

  #hold({ sprung }: Trap): void {
    this.#isHolding = true
    sprung({
      letGo: () => {
        this.#isHolding = false
        this.#trap = undefined
        if (!this.#isSilent) this.#flush()
      },
    })
  }

  #flush(): void {
    for (const { to, bytes } of this.#held.splice(0)) to.write(bytes)
  }
}
