import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { watchProcessList } from '../support/process-list.js'
import { BIN } from '../support/processes.js'
import { told } from '../support/world.js'

const run = promisify(execFile)

/** Where `hq-token` is a command. */
let path: string

beforeAll(() => {
  requirePrograms('bash', 'dash', 'zsh', 'fish', 'curl', 'python3')
  const dir = folder()
  writeFileSync(join(dir, 'hq-token'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, {
    mode: 0o755,
  })
  path = `${dir}:${process.env['PATH'] ?? ''}`
}, 300_000)

interface Script extends Place {
  /** Runs a script that finds the API's address in `$URL`. */
  readonly script: (shell: readonly [string, ...string[]], text: string) => Promise<string>
}

async function scripts(options: PlaceOptions = {}, seedTtl = 3600): Promise<Script> {
  const there = await place(options, seedTtl)
  await told(['seed'], { env: { HQ_TOKEN_CONFIG: there.config } })
  const env = {
    HOME: folder(),
    PATH: path,
    HQ_TOKEN_CONFIG: there.config,
    URL: `${there.sandbox.url}api/1/sites`,
  }
  return {
    ...there,
    script: async ([shell, ...flags], text) => (await run(shell, [...flags, '-c', text], { env })).stdout,
  }
}

const JSON_PLEASE = `-sS --fail -H 'Accept: application/json'`

describe('each shell calls the API', { timeout: 300_000 }, () => {
  const viaEnv = `env=$(hq-token get --format env) && eval "$env"
    printenv HQ_TOKEN_EXPIRES_AT >&2 &&
    printf 'Authorization: Bearer %s' "$(printenv HQ_TOKEN)" | curl ${JSON_PLEASE} -H @- "$URL"`

  it.each([
    ['sh, eval', ['sh'], viaEnv],
    ['bash, eval', ['bash'], viaEnv],
    ['dash, eval', ['dash'], viaEnv],
    ['zsh, eval', ['zsh', '-f'], viaEnv],
    [
      'fish, source',
      ['fish', '--no-config'],
      `hq-token get --format fish | source
       printf 'Authorization: Bearer %s' (printenv HQ_TOKEN) | curl ${JSON_PLEASE} -H @- $URL`,
    ],
    ['sh, curl -H @-', ['sh'], `hq-token get --format header | curl ${JSON_PLEASE} -H @- "$URL"`],
    ['sh, curl -K -', ['sh'], `hq-token get --format curl | curl ${JSON_PLEASE} -K - "$URL"`],
    ['bash, curl -K <(…)', ['bash'], `curl ${JSON_PLEASE} -K <(hq-token get --format curl) "$URL"`],
    ['zsh, curl -K <(…)', ['zsh', '-f'], `curl ${JSON_PLEASE} -K <(hq-token get --format curl) "$URL"`],
    [
      'fish, curl -K (… | psub)',
      ['fish', '--no-config'],
      `curl ${JSON_PLEASE} -K (hq-token get --format curl | psub) $URL`,
    ],
    [
      'sh, a file',
      ['sh'],
      `hq-token get --format header --outfile "$HOME/header" && curl ${JSON_PLEASE} -H @"$HOME/header" "$URL"`,
    ],
    [
      'exec',
      ['sh'],
      `hq-token exec -- sh -c 'printf "Authorization: Bearer %s" "$HQ_TOKEN" | curl ${JSON_PLEASE.replaceAll("'", '"')} -H @- "$URL"'`,
    ],
  ] as const)('each shell calls the API: %s', async (_, shell, text) => {
    const { script } = await scripts()
    expect(await script(shell, text)).toMatch(/^\{"site":\[/)
  })

  it('each shell stops where there is no token, if it is written as the guide has it', async () => {
    const { script } = await scripts({ faults: [{ name: 'invalid-grant', count: 1 }] }, 0)
    const gone = script(['sh'], `env=$(hq-token get --format env) && eval "$env" && echo went on`)
    await expect(gone).rejects.toMatchObject({ code: 4, stdout: '' })
  })
})

it('no token is in the process list while exec and curl run', { timeout: 180_000 }, async () => {
  const { script, run: hqToken, store } = await scripts({ latencyMs: 700 })
  const list = watchProcessList()
  await script(['bash'], `curl ${JSON_PLEASE} -K <(hq-token get --format curl) "$URL"`)
  await script(['sh'], `hq-token get --format header | curl ${JSON_PLEASE} -H @- "$URL"`)
  await script(
    ['sh'],
    `hq-token exec --token-file -- sh -c 'hq-token get --format curl | curl ${JSON_PLEASE.replaceAll("'", '"')} -K - "$URL"'`,
  )
  await hqToken(['exec', 'sleep', '0.3'])
  const seen = list.stop()
  for (const one of [
    'curl -sS --fail -H Accept: application/json -K /dev/fd/',
    ' -H @- ',
    ' -K - ',
    'exec --token-file',
    'sleep 0.3',
  ])
    expect(seen).toContain(one)
  const set = await store.read()
  expect(seen).not.toContain(set?.pair.accessToken.reveal())
  expect(seen).not.toContain(set?.pair.refreshToken.reveal())
})
