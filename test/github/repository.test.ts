// Runs `npm run repository` and the release's notes on a copy of the files that they read; the real ones stay as they are.
import { execFile } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { folder } from '../support/folder.js'

const run = promisify(execFile)
const FILES = ['package.json', 'README.md', 'SECURITY.md', '.github', 'CHANGELOG.md']
const HOLDERS = [
  ...['package.json', 'README.md', 'SECURITY.md', '.github/CODEOWNERS'],
  ...['.github/ISSUE_TEMPLATE/config.yml', '.github/workflows/release.yml'],
]

/** A copy of the files that hold the address, or its placeholder. */
function copy(): string {
  const cwd = folder()
  for (const name of FILES) cpSync(name, join(cwd, name), { recursive: true })
  return cwd
}

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function script(name: string, cwd: string, ...args: string[]): Promise<Ran> {
  return run(process.execPath, [join(process.cwd(), 'scripts', name), ...args], { cwd }).then(
    (said) => ({ code: 0, ...said }),
    (error: unknown) => error as Ran,
  )
}

const textsIn = (cwd: string): string[] => HOLDERS.map((name) => readFileSync(join(cwd, name), 'utf8'))

describe('the address of the repository', () => {
  const first = 'https://github.com/someone/a-name'

  it('the address of the repository is written into every file that names it, by one command', async () => {
    const cwd = copy()
    expect(await script('repository.js', cwd, first)).toMatchObject({ code: 0 })
    const [manifest = '', readme, security, owners, contacts = '', release] = textsIn(cwd)
    expect(JSON.parse(manifest)).toMatchObject({
      repository: { type: 'git', url: 'git+https://github.com/someone/a-name.git' },
      bugs: { url: `${first}/issues` },
      homepage: `${first}#readme`,
    })
    expect(readme).toContain(`(${first}/actions/workflows/ci.yml)`)
    expect(security).toContain(`(${first}/security/advisories/new)`)
    expect(owners).toMatch(/^\/src\/core\/ +@someone$/m)
    const { contact_links: links } = parse(contacts) as { contact_links: { url: string }[] }
    for (const { url } of links) expect(url.startsWith(`${first}/`)).toBe(true)
    expect(release).toContain("github.repository == 'someone/a-name'")
  })

  it('the address of the repository leaves no placeholder behind, but where the command is explained', async () => {
    const cwd = copy()
    await script('repository.js', cwd, first)
    const left = textsIn(cwd).flatMap((text) =>
      text.split('\n').filter((line) => /OWNER/.test(line) && !line.includes('npm run repository')),
    )
    expect(left).toEqual([])
  })

  it('the address of the repository can be written again, and then nothing changes', async () => {
    const cwd = copy()
    await script('repository.js', cwd, first)
    const before = textsIn(cwd)
    // As a browser and as git have it.
    for (const same of [first, `${first}/`, `${first}.git`])
      expect((await script('repository.js', cwd, same)).stdout).toBe(`every file names ${first} already\n`)
    expect(textsIn(cwd)).toEqual(before)
  })

  it('the address of the repository gives way to another one, as if that had been the first', async () => {
    const [moved, straight] = [copy(), copy()]
    const second = 'https://github.com/other/name.of.it'
    await script('repository.js', moved, first)
    for (const cwd of [moved, straight])
      expect(await script('repository.js', cwd, second)).toMatchObject({ code: 0 })
    expect(textsIn(moved)).toEqual(textsIn(straight))
  })

  it.each([
    '',
    'https://gitlab.com/a/b',
    'https://github.com/a',
    'git@github.com:a/b.git',
    `${first}/issues`,
  ])('the address of the repository is not taken from %j, and nothing is written', async (address) => {
    const cwd = copy()
    const before = textsIn(cwd)
    const { code, stderr } = await script('repository.js', cwd, address)
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'usage: npm run repository -- https://github.com/OWNER/NAME\n',
    })
    expect(textsIn(cwd)).toEqual(before)
  })

  it('the address of the repository is written nowhere when one of the files has no place for it', async () => {
    const cwd = copy()
    const owners = join(cwd, '.github/CODEOWNERS')
    writeFileSync(owners, '/src/ nobody\n')
    const before = textsIn(cwd)
    const { code, stderr } = await script('repository.js', cwd, first)
    expect(code).toBe(1)
    expect(stderr).toContain('.github/CODEOWNERS: it has no place for the address')
    expect(textsIn(cwd)).toEqual(before)
  })
})

describe('the notes of a release', () => {
  function changelog(text: string): string {
    const cwd = copy()
    const manifest = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8')) as object
    writeFileSync(join(cwd, 'package.json'), JSON.stringify({ ...manifest, version: '1.2.3' }))
    writeFileSync(join(cwd, 'CHANGELOG.md'), text)
    return cwd
  }

  it.each(['## 1.2.3', '## 1.2.3 (2026-12-01)', '## 1.2.3 - 2026-12-01'])(
    'the notes of a release are what stands under "%s"',
    async (heading) => {
      const cwd = changelog(
        `# Changelog\n\n## Unreleased\n\n* later\n\n${heading}\n\n### Added\n\n* this\n\n## 1.2.2\n\n* before\n`,
      )
      expect(await script('release-notes.js', cwd, 'v1.2.3')).toMatchObject({
        code: 0,
        stdout: '### Added\n\n* this\n',
      })
    },
  )

  it('the notes of a release are refused for a tag that is not the version of package.json', async () => {
    const cwd = changelog('# Changelog\n\n## 1.2.3\n\n* this\n')
    for (const tag of ['v1.2.4', '1.2.3'])
      expect(await script('release-notes.js', cwd, tag)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: `the tag is ${tag}, and the version in package.json is 1.2.3\n`,
      })
  })

  it.each(['## Unreleased\n\n* this\n', '## 1.2.3\n\n## 1.2.2\n\n* before\n', '## 1.2.30\n\n* another\n'])(
    'the notes of a release are refused where nothing stands there: %j',
    async (text) => {
      const cwd = changelog(`# Changelog\n\n${text}`)
      const { code, stderr } = await script('release-notes.js', cwd, 'v1.2.3')
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: 'CHANGELOG.md has no section "## 1.2.3", or nothing in it\n',
      })
    },
  )
})
