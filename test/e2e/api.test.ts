import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { peakPreload } from '../support/peak.js'
import { place, type Place } from '../support/place.js'
import { BIN } from '../support/processes.js'

const MIB = 1024 * 1024
/** Bytes that no run of zeros could be taken for, the same at every place of 1 MiB. */
const BLOCK = Buffer.from(Array.from({ length: MIB }, (_, at) => (at * 31 + (at >> 8)) & 0xff))

const hashes: string[] = []
let api: string
let there: Place

/** `/api/download/N` gives N MiB; `/api/upload` takes any number, and keeps their hash. */
const server = createServer((request, response) => {
  const count = Number(/download\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
  if (count > 0) {
    response.writeHead(200, { 'content-length': count * MIB })
    pipeline(Readable.from(Array.from({ length: count }, () => BLOCK)), response).catch(() => undefined)
    return
  }
  const hash = createHash('sha256')
  request
    .on('data', (chunk: Buffer) => hash.update(chunk))
    .on('end', () => {
      hashes.push(hash.digest('hex'))
      response.end('{}')
    })
})

beforeAll(async () => {
  there = await place({}, 3600)
  await there.run(['seed'])
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

function hashOf(mebibytes: number): string {
  const hash = createHash('sha256')
  for (let done = 0; done < mebibytes; done++) hash.update(BLOCK)
  return hash.digest('hex')
}

/** The program, with its bytes as they are. */
function call(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcessWithoutNullStreams {
  const { HOME, PATH } = process.env
  return spawn(process.execPath, [BIN, 'api', ...args], {
    env: { HOME, PATH, HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_API_URL: api, ...env },
  })
}

/** Transfers so many mebibytes, and tells the peak of the program's memory. */
type Transfer = (mebibytes: number) => Promise<number>

const download: Transfer = async (mebibytes) => {
  const peak = peakPreload()
  const child = call([`download/${mebibytes}`], peak.env)
  const hash = createHash('sha256')
  child.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
  const [code] = (await once(child, 'close')) as [number]
  expect({ code, hash: hash.digest('hex') }).toEqual({ code: 0, hash: hashOf(mebibytes) })
  return peak.megabytes()
}

const uploadFile: Transfer = async (mebibytes) => {
  const peak = peakPreload()
  const path = join(folder(), 'body')
  for (let done = 0; done < mebibytes; done++) appendFileSync(path, BLOCK)
  const [code] = (await once(call(['upload', '--input', path], peak.env), 'exit')) as [number]
  expect({ code, hash: hashes.at(-1) }).toEqual({ code: 0, hash: hashOf(mebibytes) })
  return peak.megabytes()
}

const uploadPipe: Transfer = async (mebibytes) => {
  const peak = peakPreload()
  const child = call(['upload', '--input', '-'], peak.env)
  const over = once(child, 'close')
  await pipeline(Readable.from(Array.from({ length: mebibytes }, () => BLOCK)), child.stdin)
  const [code] = (await over) as [number]
  expect({ code, hash: hashes.at(-1) }).toEqual({ code: 0, hash: hashOf(mebibytes) })
  return peak.megabytes()
}

describe('half a gigabyte', { timeout: 300_000 }, () => {
  it.each([
    ['down', download],
    ['up from a file', uploadFile],
    ['up from a pipe', uploadPipe],
  ])('%s arrives as it is, and takes no more memory than ten megabytes', async (what, transfer) => {
    const [few, many] = [await transfer(10), await transfer(512)]
    process.stdout.write(`api, 512 MiB ${what}: peak memory ${many} MB, for 10 MiB ${few} MB\n`)
    expect(many).toBeLessThan(few * 1.5)
  })
})

it(
  'ten processes at once with a token that the API refuses make one refresh',
  { timeout: 180_000 },
  async () => {
    const { sandbox, run } = await place({}, 3600)
    await run(['seed'])
    const held = (await run(['get'])).stdout.trim()
    const choosy = createServer((request, response) => {
      response.writeHead(request.headers.authorization === `Bearer ${held}` ? 401 : 200).end('{}')
    })
    choosy.listen(0, '127.0.0.1')
    await once(choosy, 'listening')
    const env = { HQ_TOKEN_API_URL: `http://127.0.0.1:${(choosy.address() as AddressInfo).port}/` }
    const all = await Promise.all(Array.from({ length: 10 }, () => run(['api', 'x'], { env })))
    expect(new Set(all.map(({ code, stdout }) => `${code} ${stdout}`))).toEqual(new Set(['0 {}']))
    expect(sandbox.refreshes()).toBe(1)
    choosy.close()
  },
)

it('a refusal whose renewal fails too ends the program at once', { timeout: 180_000 }, async () => {
  const { sandbox, run } = await place({}, 3600)
  await run(['seed'])
  sandbox.setArchived(true)
  // An answer without an end, which nobody waits for.
  const refusing = createServer((_request, response) => void response.writeHead(401).write('no'))
  refusing.listen(0, '127.0.0.1')
  await once(refusing, 'listening')
  const env = { HQ_TOKEN_API_URL: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}/` }
  const since = performance.now()
  const { code, stdout } = await run(['api', 'x'], { env })
  expect({ code, stdout }).toEqual({ code: expect.any(Number) as number, stdout: '' })
  expect([4, 78]).toContain(code)
  expect(performance.now() - since).toBeLessThan(20_000)
  refusing.closeAllConnections()
  refusing.close()
})

it.skipIf(process.platform !== 'linux')('no token stands on a command line while it runs', async () => {
  const token = (await there.run(['get'])).stdout.trim()
  const child = call(['download/300', '-o', '/dev/null'], {})
  let samples = 0
  while (child.exitCode === null) {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(token)
      } catch (error) {
        if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
    }
    samples++
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(child.exitCode).toBe(0)
  expect(samples).toBeGreaterThan(5)
})
