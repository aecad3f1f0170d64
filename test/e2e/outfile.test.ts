import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { tokenFormats } from '../../src/cli/commands/get/formats.js'
import { replaceFile } from '../../src/cli/terminal/output-file.js'
import { mount } from '../faults/disk-mounts.js'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended } from '../support/processes.js'

const canMount = asRoot('answers to files on full and on read-only disks, and over a link of another user')

beforeAll(() => {
  requirePrograms('strace', ['unshare', 'util-linux'])
}, 300_000)

let there: Place

beforeAll(async () => {
  there = await place({}, 3600)
  await there.run(['seed'])
})

/** An old file in a folder of its own. */
function old(): { dir: string; file: string } {
  const dir = folder()
  const file = join(dir, 'token')
  writeFileSync(file, 'old', { mode: 0o644 })
  return { dir, file }
}

describe('get --outfile', () => {
  it.each(tokenFormats)(
    'get --outfile writes what get --format %s prints, and prints nothing',
    async (format) => {
      const { dir, file } = old()
      expect(await there.run(['get', '--format', format, '--outfile', file])).toMatchObject({
        code: 0,
        stdout: '',
        stderr: '',
      })
      const printed = (await there.run(['get', '--format', format])).stdout
      const timeless = (text: string): string => text.replace(/"expires_in":\d+/, '')
      expect(timeless(readFileSync(file, 'utf8'))).toBe(timeless(printed))
      expect(statSync(file).mode & 0o7777).toBe(0o600)
      expect(readdirSync(dir)).toEqual(['token'])
    },
  )

  it.each(['000', '777'])(
    'get --outfile is 0600 under the umask %s, and relative to the working directory',
    async (umask) => {
      const dir = folder()
      const child = spawn(
        'sh',
        ['-c', `umask ${umask}; exec "$1" "$2" get --outfile token`, 'sh', process.execPath, BIN],
        {
          cwd: dir,
          env: { ...process.env, HQ_TOKEN_CONFIG: there.config },
        },
      )
      expect(await ended(child)).toMatchObject({ code: 0, stdout: '' })
      expect(statSync(join(dir, 'token')).mode & 0o7777).toBe(0o600)
    },
  )

  it('- is standard output', async () => {
    expect((await there.run(['get', '--outfile', '-'])).stdout).toMatch(/^\S{40,}\n$/)
  })

  it('get --outfile syncs the new file before it has the name, and the name after', () => {
    const { dir, file } = old()
    const log = join(dir, 'log')
    const calls = 'trace=openat,fsync,rename,renameat,renameat2'
    execFileSync(
      'strace',
      ['-f', '-qq', '-y', '-o', log, '-e', calls, process.execPath, BIN, 'get', '--outfile', file],
      {
        env: { ...process.env, HQ_TOKEN_CONFIG: there.config },
      },
    )
    const seen = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes(dir) && !line.includes('/log') && !line.includes('O_DIRECTORY'))
      .map((line) =>
        line
          .replace(/^\d+ +/, '')
          .replaceAll(dir, 'DIR')
          .replaceAll(/\.hq-token-[\w-]+/g, 'DRAFT'),
      )
    expect(seen).toEqual([
      expect.stringMatching(
        /^openat\(.*"DIR\/DRAFT", O_WRONLY\|O_CREAT\|O_EXCL\|O_TRUNC\|O_CLOEXEC, 0600\)/,
      ) as string,
      expect.stringMatching(/^fsync\(\d+<DIR\/DRAFT>\) += 0/) as string,
      expect.stringMatching(/^rename(at2?)?\(.*DIR\/DRAFT.*DIR\/token/) as string,
      expect.stringMatching(/^openat\(.*"DIR", O_RDONLY/) as string,
      expect.stringMatching(/^fsync\(\d+<DIR>\) += 0/) as string,
    ])
  })
})

it('a reader sees the old file or the new one, never a part', { timeout: 180_000 }, async () => {
  const { file } = old()
  const texts = ['a', 'b'].map((letter) => letter.repeat(300_000))
  writeFileSync(file, String(texts[0]))
  const read = `
    const { readFileSync } = require('node:fs')
    let reads = 0
    process.on('SIGTERM', () => { console.log(reads); process.exit() })
    console.log('reading')
    const look = () => {
      for (let n = 0; n < 20; n++, reads++) {
        const text = readFileSync(process.argv[1], 'utf8')
        if (text.length !== 300000 || text !== text[0].repeat(300000)) { console.log('a part: ' + text.length); process.exit(1) }
      }
      setImmediate(look)
    }
    look()`
  const reader = spawn(process.execPath, ['-e', read, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const done = ended(reader)
  await new Promise((resolve) => reader.stdout.once('data', resolve))
  for (let n = 1; n <= 300; n++) await replaceFile(file, String(texts[n % 2]))
  reader.kill()
  const { code, stdout } = await done
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^reading\n\d+\n$/) as string,
  })
  expect(Number(stdout.split('\n')[1])).toBeGreaterThan(20)
})

describe('get --outfile fails with 74, names the file, and leaves all as it was', () => {
  async function refused(file: string, why: RegExp): Promise<void> {
    const { code, stdout, stderr } = await there.run(['get', '--outfile', file])
    expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
    expect(stderr).toMatch(why)
    expect(stderr).toContain(`hq-token: error: ${file} `)
    expect(stderr).toMatch(/\nhq-token: hint: ls -ld /)
  }

  it('get --outfile fails without the folder, and leaves all as it was', async () => {
    await refused(join(folder(), 'no', 'token'), /cannot be written \(ENOENT\)/)
  })

  it('below a file', async () => {
    await refused(join(old().file, 'token'), /cannot be written \(ENOTDIR\)/)
  })

  it('get --outfile fails for a folder, and leaves all as it was', async () => {
    const { dir } = old()
    await refused(dir, /is a folder/)
    expect(readdirSync(dir)).toEqual(['token'])
  })

  it('get --outfile fails for a device, a pipe, and what is behind a descriptor, and leaves all as it was', async () => {
    const pipe = join(folder(), 'pipe')
    execFileSync('mkfifo', [pipe])
    await refused(pipe, /is not a regular file/)
    await refused('/dev/null', /is not a regular file/)
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  it('get --outfile fails for what is open already, as /dev/stdout is, and a log that is added to stays', async () => {
    const log = join(folder(), 'log')
    writeFileSync(log, 'a line\n')
    for (const name of ['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']) {
      const fd = openSync(log, 'a')
      const { code, stderr } = await there.run(['get', '--outfile', name], { stdout: fd })
      closeSync(fd)
      expect(code).toBe(74)
      expect(stderr).toMatch(/is a descriptor, not a file\nhq-token: hint: for standard output write - /)
    }
    expect(readFileSync(log, 'utf8')).toBe('a line\n')
    expect(lstatSync('/dev/stdout').isSymbolicLink()).toBe(true)
  })

  it.runIf(canMount)(
    'get --outfile fails on a disk that is full, or cannot be written, and leaves all as it was',
    async () => {
      const disk = mount('tmpfs')
      const file = join(disk.root, 'token')
      writeFileSync(file, 'old')
      disk.fill()
      const files = readdirSync(disk.root)
      await refused(file, /cannot be written \(ENOSPC\)/)
      expect(readFileSync(file, 'utf8')).toBe('old')
      expect(readdirSync(disk.root)).toEqual(files)
      disk.makeRoom()
      disk.remount('ro')
      await refused(file, /cannot be written \(EROFS\)/)
      expect(readFileSync(file, 'utf8')).toBe('old')
    },
  )
})

describe('a link', () => {
  it('a link is followed, and stays: to a file, to none yet, by another link, with a path of its own', async () => {
    const { dir, file } = old()
    mkdirSync(join(dir, 'below'))
    const links = [
      ['one', file],
      ['two', 'token'],
      ['three', join(dir, 'one')],
      ['below/four', '../token'],
    ] as const
    for (const [name, target] of links) {
      const link = join(dir, name)
      symlinkSync(target, link)
      writeFileSync(file, 'old')
      await replaceFile(link, name)
      expect(readlinkSync(link)).toBe(target)
      expect(lstatSync(file).isFile()).toBe(true)
      expect(readFileSync(file, 'utf8')).toBe(name)
    }
    symlinkSync('later', join(dir, 'early'))
    await replaceFile(join(dir, 'early'), 'new')
    expect(lstatSync(join(dir, 'later')).mode & 0o7777).toBe(0o600)
  })

  it('a link that leads round in a circle is refused', async () => {
    const { dir, file } = old()
    symlinkSync('round', join(dir, 'about'))
    symlinkSync('about', join(dir, 'round'))
    await expect(replaceFile(join(dir, 'round'), 'new')).rejects.toThrow(/round is a link that leads round/)
    expect(readFileSync(file, 'utf8')).toBe('old')
  })

  it.runIf(canMount)('a link that another user has put there is refused', async () => {
    const { dir, file } = old()
    const planted = join(dir, 'planted')
    symlinkSync(file, planted)
    lchownSync(planted, 65_534, 65_534)
    await expect(replaceFile(planted, 'new')).rejects.toThrow(/planted is a link that another user/)
    expect(readFileSync(file, 'utf8')).toBe('old')
    expect(existsSync(file)).toBe(true)
  })
})

describe('api -o', () => {
  /** Gives half of an answer, and the rest when told to. */
  async function halting(): Promise<{
    url: string
    half: Promise<unknown>
    finish: () => void
    close: () => void
  }> {
    let end = (): void => undefined
    let begun = (): void => undefined
    const half = new Promise<void>((resolve) => (begun = resolve))
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': 8 }).write('half')
      end = () => response.end('more')
      begun()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      half,
      finish: () => {
        end()
      },
      close: () => {
        server.closeAllConnections()
        server.close()
      },
    }
  }

  async function untilIn(dir: string, content: string): Promise<void> {
    const draft = (): string | undefined => readdirSync(dir).find((name) => name.startsWith('.hq-token-'))
    await vi.waitFor(
      () => {
        expect(readFileSync(join(dir, draft() ?? 'none'), 'utf8')).toBe(content)
      },
      { timeout: 20_000, interval: 10 },
    )
  }

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'api -o leaves nothing but the old file when %s ends it in the middle',
    async (signal) => {
      const { dir, file } = old()
      const { url, half, close } = await halting()
      const { child, done } = there.start(['api', 'x', '-o', file], { env: { HQ_TOKEN_API_URL: url } })
      await half
      await untilIn(dir, 'half')
      child.kill(signal)
      expect(await done).toMatchObject({ code: null, signal })
      close()
      expect(readdirSync(dir)).toEqual(['token'])
      expect(readFileSync(file, 'utf8')).toBe('old')
    },
  )

  it('api -o has the new file on the disk before it has the name', async () => {
    const { dir, file } = old()
    const log = join(folder(), 'log')
    const { url, half, finish, close } = await halting()
    const child = spawn(
      'strace',
      [
        '-f',
        '-qq',
        '-y',
        '-o',
        log,
        '-e',
        'trace=fsync,rename,renameat,renameat2',
        process.execPath,
        BIN,
        'api',
        'x',
        '-o',
        file,
      ],
      { env: { ...process.env, HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_API_URL: url } },
    )
    const done = ended(child)
    await half
    finish()
    expect(await done).toMatchObject({ code: 0, stdout: '' })
    close()
    expect(readFileSync(file, 'utf8')).toBe('halfmore')
    const ours = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes(dir))
    const calls = ours.map((line) => /\d+ +(\w+)\(/.exec(line)?.[1])
    expect(calls).toEqual(['fsync', expect.stringMatching(/^rename/), 'fsync'])
  })

  it('api -o writes into a pipe as it comes', async () => {
    const { url, half, finish, close } = await halting()
    const child = spawn('bash', ['-c', '"$1" "$2" api x -o >(cat)', 'bash', process.execPath, BIN], {
      env: { ...process.env, HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_API_URL: url },
    })
    const done = ended(child)
    await half
    finish()
    expect(await done).toMatchObject({ code: 0, stdout: 'halfmore' })
    close()
  })

  it.runIf(canMount)(
    'api -o fails with 74 on a disk that fills up, and leaves the file as it was',
    async () => {
      const disk = mount('tmpfs')
      const file = join(disk.root, 'token')
      writeFileSync(file, 'old')
      disk.fill()
      const files = readdirSync(disk.root)
      const { url, half, finish, close } = await halting()
      const { done } = there.start(['api', 'x', '-o', file], { env: { HQ_TOKEN_API_URL: url } })
      await half
      finish()
      const { code, stderr } = await done
      expect({ code, stderr }).toMatchObject({
        code: 74,
        stderr: expect.stringContaining('(ENOSPC)') as string,
      })
      close()
      expect(readFileSync(file, 'utf8')).toBe('old')
      expect(readdirSync(disk.root)).toEqual(files)
    },
  )
})
