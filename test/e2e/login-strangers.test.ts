import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decided } from '../support/person.js'
import { place, type Place } from '../support/place.js'
import type { Running } from '../support/processes.js'
import { asUser, canBeOthers, STRANGER } from '../support/users.js'

// A login waits at a port of this machine, where everybody on it can knock.

interface Waiting {
  readonly login: Running
  readonly address: string
  readonly callback: string
  readonly state: string
  readonly there: Place
  readonly said: () => string
}

async function waiting(config = ''): Promise<Waiting> {
  const there = await place()
  const text = readFileSync(there.config, 'utf8').replace(/\[seed\]\nfile = .*/, '')
  writeFileSync(there.config, text.replace('[store]', `${config}\n[store]`))
  const login = there.start(['login', '--timeout', '60s'])
  let said = ''
  const address = await new Promise<string>((resolve, reject) => {
    login.child.stderr?.on('data', (chunk: string) => {
      said += chunk
      const found = /^ {2}(http\S+)$/m.exec(said)?.[1]
      if (found !== undefined) resolve(found)
    })
    login.child.on('close', () => {
      reject(new Error(said))
    })
  })
  const { searchParams } = new URL(address)
  return {
    ...{ login, address, there },
    callback: searchParams.get('redirect_uri') ?? '',
    state: searchParams.get('state') ?? '',
    said: () => said,
  }
}

/** The one login that was waited for is finished, and took one answer. */
async function finished({ login, address, callback, there }: Waiting): Promise<string> {
  const answer = await decided(address, 'allow')
  expect(answer.startsWith(callback)).toBe(true)
  expect((await fetch(answer)).status).toBe(200)
  const { code, stdout, stderr } = await login.done
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(stderr).toContain('logged in')
  // The code that was made up is sent nowhere.
  expect(there.sandbox.log.filter(({ grantType }) => grantType === 'authorization_code')).toHaveLength(1)
  return stderr
}

const MADE_UP: Record<string, (state: string) => string> = {
  'a code': () => 'code=stolen',
  'a code and a state': () => 'code=stolen&state=another',
  'an error': () => 'error=access_denied',
  'an error and a state': () => 'error=server_error&state=another',
  'a state that is empty': () => 'code=stolen&state=',
  'two states, one of them right': (state) => `code=stolen&state=${state}&state=another`,
  'two states, the other one right': (state) => `error=access_denied&state=another&state=${state}`,
  'a state that begins like ours': (state) => `code=stolen&state=${state.slice(0, -1)}`,
}

describe('an answer that anybody can make up', { timeout: 60_000 }, () => {
  it.each(Object.keys(MADE_UP))('%s: it gets the failed page, and the login waits on', async (what) => {
    const begun = await waiting()
    for (let count = 0; count < 3; count++) {
      const got = await fetch(`${begun.callback}?${MADE_UP[what]?.(begun.state) ?? ''}`)
      expect(got.status).toBe(400)
      expect(await got.text()).toContain('<h1>The login did not work</h1>')
    }
    const stderr = await finished(begun)
    expect(stderr.match(/an answer was turned away/g)).toHaveLength(1)
    expect(stderr).toMatch(/hint: the login still waits: finish it in the window in which it began/)
  })

  it('an answer by a server that is not ours is turned away though the state is right, and does not end the login', async () => {
    const begun = await waiting()
    const got = await fetch(`${begun.callback}?code=stolen&state=${begun.state}&iss=https://evil.example`)
    expect(got.status).toBe(400)
    expect(await got.text()).toContain('comes from another server than')
    const stderr = await finished(begun)
    expect(stderr).toContain('set issuer in the configuration to the iss of the answer')
  })

  it('an error with the right state, which the server has given, ends the login as ever', async () => {
    const { login, callback, state, there } = await waiting()
    expect((await fetch(`${callback}?error=access_denied&state=${state}`)).status).toBe(400)
    expect(await login.done).toMatchObject({ code: 4, stdout: '' })
    expect(await there.store.login()).toBeUndefined()
  })

  it('brought to --complete is refused, and the login waits on', async () => {
    const { login, there, state, address } = await waiting()
    login.child.kill('SIGKILL')
    await login.done
    for (const query of [
      'error=access_denied&state=another',
      `code=stolen&state=${state}&iss=https://evil.example`,
    ])
      expect((await there.run(['login', '--complete', `http://127.0.0.1/callback?${query}`])).code).toBe(4)
    expect(await there.store.login()).toMatchObject({ spent: null })
    const answer = await decided(address, 'allow')
    expect(await there.run(['login', '--complete', answer])).toMatchObject({ code: 0 })
  })

  it('a thousand of them at once cost neither the login nor memory', async () => {
    const begun = await waiting()
    const long = 'x'.repeat(20_000)
    const knock = async (): Promise<void> => {
      for (let count = 0; count < 50; count++) {
        const got = await fetch(`${begun.callback}?code=${long}&state=${long}`).catch(() => undefined)
        await got?.text()
      }
    }
    await Promise.all(Array.from({ length: 20 }, knock))
    const [, peak = ''] =
      /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${begun.login.child.pid ?? 0}/status`, 'utf8')) ?? []
    process.stdout.write(`login under a flood: ${peak} kB at its peak\n`)
    expect(Number(peak)).toBeLessThan(250_000)
    expect((await finished(begun)).match(/turned away/g)).toHaveLength(1)
  })

  it.skipIf(!canBeOthers)('an answer that another user of the machine makes up is turned away', async () => {
    const begun = await waiting()
    const knock = `fetch(process.argv[1]).then(({ status }) => console.log(status))`
    const { stdout } = await asUser(STRANGER, [
      process.execPath,
      '-e',
      knock,
      `${begun.callback}?error=access_denied`,
    ])
    expect(stdout).toBe('400\n')
    await finished(begun)
  })
})
