import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll } from 'vitest'
import type { Held } from './cuttable.js'
import { pem, type Certificate } from './authority.js'

/**
 * Where a request to a token endpoint can be held: before the connection stands (with TLS only); once the client has
 * handed it over and before the server has it; once the server has acted and before any byte of its answer has come;
 * and before the answer's last byte.
 */
export type DoorStage = 'connecting' | 'assured' | 'sent' | 'answered'

/** The way to a server on this machine, at which the next connection can be held. */
export interface Door {
  readonly port: number
  hold(stage: DoorStage): Promise<Held>
}

const cleanups: (() => void)[] = []
afterAll(() => {
  for (const clean of cleanups.splice(0)) clean()
})

/** @param certificate With it the door speaks TLS. Ends with the test file. */
export async function door(to: number, certificate?: Certificate): Promise<Door> {
  const open = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    open.add(socket)
    return socket.on('error', () => undefined).on('close', () => open.delete(socket))
  }
  let armed: { readonly stage: DoorStage; readonly sprung: (held: Held) => void } | undefined
  const pass = (client: Socket): void => {
    const server = keep(connect(to, '127.0.0.1'))
    const mine = armed?.stage === 'connecting' ? undefined : armed
    if (mine === undefined) {
      join(client, server)
      return
    }
    armed = undefined
    holdAt(mine.stage, client, server, mine.sprung)
  }
  const inner =
    certificate &&
    createTlsServer(pem(certificate), (client) => {
      pass(keep(client))
    })
  const outer = createServer((client) => {
    keep(client)
    if (inner === undefined) {
      pass(client)
      return
    }
    if (armed?.stage !== 'connecting') {
      inner.emit('connection', client)
      return
    }
    const { sprung } = armed
    armed = undefined
    client.pause()
    sprung({ letGo: () => void inner.emit('connection', client) })
  })
  outer.listen(0, '127.0.0.1')
  await once(outer, 'listening')
  cleanups.push(() => {
    outer.close()
    for (const socket of open) socket.destroy()
  })
  return {
    port: (outer.address() as AddressInfo).port,
    hold: (stage) =>
      new Promise((sprung) => {
        armed = { stage, sprung }
      }),
  }
}

function join(client: Socket, server: Socket): void {
  client.pipe(server)
  server.pipe(client)
  client.on('close', () => server.destroy())
}

function holdAt(stage: DoorStage, client: Socket, server: Socket, sprung: (held: Held) => void): void {
  const [from, to] = stage === 'assured' ? [client, server] : [server, client]
  const [back, forth] = [to, from]
  const held: Buffer[] = []
  let isHeld = true
  let isTold = false
  const letGo = (): void => {
    isHeld = false
    for (const bytes of held.splice(0)) to.write(bytes)
  }
  // What comes at once belongs to one message.
  const tell = (): void => {
    if (stage === 'answered') {
      const all = Buffer.concat(held.splice(0))
      to.write(all.subarray(0, -1))
      held.push(all.subarray(-1))
    }
    sprung({ letGo })
  }
  from.on('data', (bytes: Buffer) => {
    if (!isHeld) {
      to.write(bytes)
      return
    }
    held.push(bytes)
    if (!isTold) setTimeout(tell, 50)
    isTold = true
  })
  back.pipe(forth)
  client.on('close', () => server.destroy())
  server.on('end', () => {
    if (!isHeld) client.end()
  })
}
