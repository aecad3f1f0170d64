// What the tests of the interceptor share: dispatchers that are closed, and bodies.
import { Agent, type Dispatcher } from 'undici'
import undici from 'undici/package.json' with { type: 'json' }
import { onTestFinished } from 'vitest'

/** From undici 8 on, a composed `Client` or `Pool` names its own origin where a request names none. */
export const poolNamesOrigin = Number.parseInt(undici.version, 10) >= 8

export function closing<D extends Dispatcher>(dispatcher: D): D {
  onTestFinished(() => dispatcher.destroy())
  return dispatcher
}

export const agent = (options: Agent.Options = {}): Agent => closing(new Agent(options))

interface Answered {
  readonly status: number
  readonly text: string
}

export async function send(
  dispatcher: Dispatcher,
  options: Partial<Dispatcher.RequestOptions> & { origin?: string },
): Promise<Answered> {
  const { statusCode, body } = await dispatcher.request({ path: '/', method: 'GET', ...options })
  return { status: statusCode, text: await body.text() }
}

export function* endless(tell: (bytes: number) => void): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  for (;;) {
    tell(chunk.byteLength)
    yield chunk
  }
}
