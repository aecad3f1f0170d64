import { readFileSync } from 'node:fs'
import { type RequestListener } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ask, backend, there } from './api-server.js'

describe('an answer on a terminal', () => {
  const ESCAPE = '\u001b'
  const of =
    (type: string | undefined, body: string | Buffer): RequestListener =>
    (_request, response) => {
      response.writeHead(200, type === undefined ? {} : { 'content-type': type, 'x-y': 'a' }).end(body)
    }

  it.each(['application/json', 'text/plain; charset=utf-8', 'application/atom+xml', undefined])(
    'an answer on a terminal gives it no command: %s',
    async (type) => {
      const body = `a${ESCAPE}]0;x\u0007\u009b2J\tb\r\nc\rdé`
      backend.answer = of(type, body)
      expect(await ask(['x'], { terminal: 80 })).toMatchObject({
        code: 0,
        // What follows on the terminal, a message or the prompt, has a line of its own.
        stdout: 'a\\x1b]0;x\\x07\\x9b2J\tb\r\nc\\x0ddé\n',
      })
      expect(await ask(['x'])).toMatchObject({ code: 0, stdout: body })
    },
  )

  it('an answer on a terminal is whole where it comes in parts', async () => {
    const bytes = Buffer.from('éé')
    backend.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write(bytes.subarray(0, 1))
      setTimeout(() => response.end(bytes.subarray(1)), 50)
    }
    expect(await ask(['x'], { terminal: 80 })).toMatchObject({ code: 0, stdout: 'éé\n' })
  })

  it.each([
    ['one that ends its line', 200, '{}\n', 0, '{}\n'],
    ['one that does not', 200, '{}', 0, '{}\n'],
    ['an empty one', 200, '', 0, ''],
    ['an error', 404, '{"status":404}', 22, '{"status":404}\n'],
  ])(
    'an answer on a terminal is followed by a line of its own: %s',
    async (_what, status, body, code, stdout) => {
      backend.answer = (_request, response) =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(body)
      expect(await ask(['x'], { terminal: 80 })).toMatchObject({ code, stdout })
      // What a program reads is as it came.
      expect(await ask(['x'])).toMatchObject({ code, stdout: body })
    },
  )

  it('an answer on a terminal that breaks off leaves the message a line of its own', async () => {
    backend.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"site":[', () => setTimeout(() => response.destroy(), 50))
    }
    const cut = await ask(['x'], { terminal: 80 })
    expect(cut).toMatchObject({ code: 75, stdout: '{"site":[\n' })
    expect(cut.stderr).toMatch(/^hq-token: error: the transfer with /)
    expect(await ask(['x'])).toMatchObject({ code: 75, stdout: '{"site":[' })
  })

  it('an answer on a terminal is not shown where it is no text', async () => {
    backend.answer = of('application/pdf', '%PDF')
    const ended = await ask(['x'], { terminal: 80 })
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(/not text \(application\/pdf\).*\n.*hint: .* -o FILE/)
    expect(await ask(['x', '-i'], { terminal: 80 })).toMatchObject({
      stdout: expect.stringMatching(/^HTTP.*200.*\r\n[^]*\r\n\r\n$/) as string,
    })
    expect(await ask(['x'])).toMatchObject({ code: 0, stdout: '%PDF' })
    backend.answer = (_request, response) =>
      void response.writeHead(500, { 'content-type': 'image/png' }).end('PNG')
    expect(await ask(['x'], { terminal: 80 })).toMatchObject({ code: 22, stdout: '' })
  })
})

describe('a long transfer', () => {
  const ESCAPE = '\u001b'
  const slowly: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': '2000000' }).write(Buffer.alloc(1_000_000))
    setTimeout(() => response.end(Buffer.alloc(1_000_000)), 1600)
  }

  it('a long transfer shows on a terminal how far it is, and leaves nothing behind', async () => {
    backend.answer = slowly
    const file = join(there.dir, 'answer')
    const { code, stderr } = await ask(['x', '-o', file], { terminal: 80 })
    expect(code).toBe(0)
    expect(stderr).toMatch(/received 1\.0 MB of 2\.0 MB \(50 %\), \d+\.\d MB\/s/)
    expect(stderr.endsWith(`\r${ESCAPE}[K`)).toBe(true)
    expect(readFileSync(file)).toHaveLength(2_000_000)
  })

  it('a long transfer shows nothing in a pipe', async () => {
    backend.answer = slowly
    expect((await ask(['x'])).stderr).not.toContain('MB')
  })
})
