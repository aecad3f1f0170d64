// Ports of this machine: one that is free, and whether somebody listens at one.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Below those that systems give to outgoing connections: a server that is started again finds its port free. */
const FIRST = 10_000
const LAST = 32_000

/** A port that nobody listens at, and that nobody is given while its server is down. */
export async function freePort() {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    const server = createServer().listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch {
      continue
    }
    server.close()
    await once(server, 'close')
    return port
  }
}

/** Whether something on this machine accepts connections at a port. */
export async function isListening(port) {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
