// The rights of the folders that hq-token makes, as Windows itself says, and its scripts, as PowerShell reads them. Wine
// has neither access lists nor PowerShell, so there these are left out, which is said.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isWine, place, start, tidy } from './support/place.mjs'

const made = []
after(tidy)
after(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
})

/** The groups of all who log on, and everybody: `Users`, `Authenticated Users`, `Everyone`. */
const OTHERS = ['S-1-5-32-545', 'S-1-5-11', 'S-1-1-0']

if (isWine()) process.stderr.write('this is Wine: access lists and PowerShell are not tried\n')
else realOnes()

function realOnes() {
  test('a new folder where all who log on may write is closed to all but three, and takes nothing from above', async () => {
    const { store, seeded } = await seededBelowDrive()
    assert.equal(seeded.code, 0, seeded.stderr)
    const { sids, isProtected } = listOf(join(store, '..'))
    assert.equal(isProtected, true)
    assert.deepEqual(sids, ['S-1-5-18', 'S-1-5-32-544', whoami()].sort())
    // A file that is made in it has the same list.
    assert.deepEqual(
      listOf(store).sids.filter((sid) => OTHERS.includes(sid)),
      [],
    )
  })

  test('doctor says ok of such a store, names who else is let in, and the printed remedy takes them out', async () => {
    const { here, store, env } = await seededBelowDrive()
    const access = async () => {
      const { stdout } = await here.start(['doctor', '--json'], { env }).ended
      return JSON.parse(stdout).checks.filter(({ name }) => name === 'store access')
    }
    // Those who log on may delete a folder that was made on a drive: two lie on the way.
    assert.deepEqual(statesOf(await access()), ['warn', 'warn'])
    ran('icacls.exe', [store, '/grant', '*S-1-5-32-545:R'])
    const found = await access()
    assert.deepEqual(statesOf(found), ['fail', 'warn', 'warn'], JSON.stringify(found))
    const remedy = /icacls .*/.exec(found.map(({ hint }) => hint ?? '').join('\n'))?.[0] ?? ''
    assert.notEqual(remedy, '', JSON.stringify(found))
    inCmd(remedy)
    assert.deepEqual(statesOf(await access()), ['warn', 'warn'])
  })

  test('doctor names a junction on the way to a store outside of the profile', async () => {
    const { here } = await seededBelowDrive()
    const [real, junction] = ['real', 'link'].map((name) => join(made.at(-1), name))
    mkdirSync(real)
    symlinkSync(real, junction, 'junction')
    const env = { HQ_TOKEN_STORE: join(junction, 'new', 'token.db') }
    const seeded = await here.start(['seed', here.seed], { env }).ended
    assert.equal(seeded.code, 0, seeded.stderr)
    const { stdout } = await here.start(['doctor', '--json'], { env }).ended
    const links = JSON.parse(stdout).checks.filter(({ message }) => message.includes('is a link'))
    assert.deepEqual(
      links.map(({ name, status }) => [name, status]),
      [['store access', 'warn']],
    )
    assert.ok(links[0].message.startsWith(`${junction} is a link`), links[0].message)
  })

  test('a configuration in %ProgramData% is used once the printed commands have closed it', async () => {
    const here = await place()
    const folder = join(process.env.ProgramData, 'hq-token')
    mkdirSync(folder)
    made.push(folder)
    writeFileSync(join(folder, 'config.ini'), here.text().replace('token.ini', here.seed))
    const env = {
      ...{ HQ_TOKEN_CONFIG: undefined, HQ_TOKEN_CONFIG_DIR: undefined },
      APPDATA: join(here.dir, 'nothing here'),
    }
    const refused = await here.start(['get'], { env }).ended
    assert.deepEqual([refused.code, refused.stdout], [78, ''], refused.stderr)
    const account = spawnSync('whoami.exe', { encoding: 'utf8' }).stdout.trim()
    const commands = refused.stderr.match(/icacls "[^,\r\n]*/g) ?? []
    assert.equal(commands.length, 3, refused.stderr)
    for (const command of commands) inCmd(command.replace('DOMAIN\\ACCOUNT', account))
    const got = await here.start(['get'], { env }).ended
    assert.equal(got.code, 0, got.stderr)
    // As an administrator finds it, with the account's right to read.
    ran('icacls.exe', [folder, '/grant', '*S-1-5-32-545:(OI)(CI)RX'])
    const flags = ['--force', '--no-doctor', '--instance', here.instance, '--client-id', '1012']
    const init = ['init', '--config', join(folder, 'config.ini'), ...flags, '--client-secret', '-']
    const again = await here.start(init, { env, input: 'the-secret\r\n' }).ended
    assert.equal(again.code, 0, again.stderr)
    assert.match(again.stderr, /can be read/)
  })

  test('what is printed for PowerShell is read by its parser without a mistake', async () => {
    const here = await place()
    const scripts = await Promise.all([
      here.hq('schedule', 'windows'),
      start(['completion', 'powershell']).ended,
    ])
    for (const [nth, { code, stdout, stderr }] of scripts.entries()) {
      assert.equal(code, 0, stderr)
      const file = join(here.dir, `printed-${nth}.ps1`)
      writeFileSync(file, stdout)
      const parse = `$e = $null; [void][System.Management.Automation.Language.Parser]::ParseFile('${file.replaceAll("'", "''")}', [ref]$null, [ref]$e); $e; exit $e.Count`
      assert.equal(powershell(parse).trim(), '')
    }
  })
}

/** A store in a new folder below `C:\`, where the folders hand rights to all who log on. */
async function seededBelowDrive() {
  const here = await place()
  mkdirSync('C:\\hq-try', { recursive: true })
  const folder = mkdtempSync('C:\\hq-try\\')
  made.push(folder)
  const store = join(folder, 'new', 'token.db')
  const env = { HQ_TOKEN_STORE: store }
  return { here, store, env, seeded: await here.start(['seed', here.seed], { env }).ended }
}

function listOf(path) {
  const script = `$a = Get-Acl -LiteralPath '${path.replaceAll("'", "''")}'
$a.AreAccessRulesProtected
$a.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]) | ForEach-Object { $_.IdentityReference.Value }`
  const [first, ...sids] = powershell(script).split(/\s+/).filter(Boolean)
  return { isProtected: first === 'True', sids: [...new Set(sids)].sort() }
}

function statesOf(checks) {
  return checks.map(({ status }) => status)
}

function whoami() {
  return powershell('[Security.Principal.WindowsIdentity]::GetCurrent().User.Value').trim()
}

function powershell(script) {
  return ran('WindowsPowerShell\\v1.0\\powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', script])
}

/** Runs a printed command as a person would, who pastes it. */
function inCmd(command) {
  const args = ['/d', '/s', '/c', `"${command}"`]
  const { status, stdout, stderr } = spawnSync('cmd.exe', args, {
    encoding: 'utf8',
    windowsVerbatimArguments: true,
  })
  assert.equal(status, 0, `${command}\n${stdout}${stderr}`)
}

/** Without PSModulePath, because Windows PowerShell loads no module by the one that PowerShell 7 hands on. */
const ENV = { ...process.env, PSModulePath: undefined }

/** @returns The output of a program of Windows that has to end with 0. */
function ran(name, args) {
  const file = join(process.env.SystemRoot, 'System32', name)
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', env: ENV })
  assert.equal(status, 0, stdout + stderr)
  return stdout
}
