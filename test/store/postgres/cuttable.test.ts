import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { cuttable, type Cuttable } from '../../support/cuttable.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'

// A link that does not cut would let each test of a fault pass.
describe('the link that tests cut', () => {
  let postgres: Postgres
  let link: Cuttable
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  beforeEach(async () => {
    link = await cuttable(postgres.port)
    await postgres.sql('DROP TABLE IF EXISTS told; CREATE TABLE told (what text)')
  })
  const open = async (): Promise<pg.Client> => {
    const client = new pg.Client({ port: link.port, host: '127.0.0.1', user: 'postgres', query_timeout: 300 })
    client.on('error', () => undefined)
    onTestFinished(() => client.end().catch(() => undefined))
    await client.connect()
    return client
  }
  const tell = (client: pg.Client, what: string): Promise<unknown> =>
    client.query('INSERT INTO told VALUES ($1)', [what])
  const told = async (): Promise<unknown[]> =>
    (await postgres.sql('SELECT what FROM told')).map(({ what }) => what)

  it('passes requests and answers', async () => {
    await tell(await open(), 'plain')
    expect(await told()).toEqual(['plain'])
  })

  it('resets what is open, and takes new connections', async () => {
    const client = await open()
    link.reset()
    await expect(tell(client, 'cut')).rejects.toThrow()
    await tell(await open(), 'anew')
    expect(await told()).toEqual(['anew'])
  })

  it('refuses new connections until they are allowed, and leaves the open ones', async () => {
    const client = await open()
    link.refuse()
    await expect(open()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await tell(client, 'still')
    await link.allow()
    await tell(await open(), 'again')
    expect(await told()).toEqual(['still', 'again'])
  })

  it('falls silent, and delivers late', async () => {
    const client = await open()
    link.silence()
    await expect(tell(client, 'late')).rejects.toThrow('Query read timeout')
    expect(await told()).toEqual([])
    await link.allow()
    await expect.poll(told).toEqual(['late'])
  })

  it('falls silent for new connections too, and delivers nothing after a reset', async () => {
    const client = await open()
    link.silence()
    const late = open()
    await expect(tell(client, 'never')).rejects.toThrow('Query read timeout')
    link.reset()
    await expect(late).rejects.toThrow()
    await link.allow()
    await sleep(200)
    expect(await told()).toEqual([])
  })

  it('swallows the answer to one request, after the server has done it', async () => {
    const [client, bystander] = [await open(), await open()]
    const swallowed = link.swallowAnswerTo(/INSERT INTO told/)
    await client.query('SELECT 1')
    await expect(tell(client, 'done')).rejects.toThrow()
    await swallowed
    expect(await told()).toEqual(['done'])
    await tell(bystander, 'heard')
  })

  it('holds a request before the server has it, and all after it', async () => {
    const client = await open()
    const begun = link.hold(/INSERT INTO told/)
    const done = tell(client, 'held').catch(() => undefined)
    const held = await begun
    await sleep(100)
    expect(await told()).toEqual([])
    held.letGo()
    await done
    expect(await told()).toEqual(['held'])
  })

  it('holds an answer that the server has given, also until a silence has ended', async () => {
    const client = await open()
    const begun = link.holdAnswerTo(/INSERT INTO told/)
    let isDone = false
    const done = tell(client, 'done').then(
      () => (isDone = true),
      () => undefined,
    )
    const held = await begun
    expect(await told()).toEqual(['done'])
    link.silence()
    held.letGo()
    await sleep(100)
    expect(isDone).toBe(false)
    await link.allow()
    await done
    expect(isDone).toBe(true)
  })

  it('sees a request, and leads to another server', async () => {
    const seen = link.seen(/INSERT INTO told/)
    await tell(await open(), 'seen')
    await seen
    const other = await startPostgres()
    await other.sql('CREATE TABLE told (what text)')
    link.leadTo(other.port)
    await tell(await open(), 'there')
    expect(await told()).toEqual(['seen'])
    expect(await other.sql('SELECT what FROM told')).toEqual([{ what: 'there' }])
  })

  it('stands before a server that loses nothing in a crash', async () => {
    await tell(await open(), 'before')
    await postgres.restart('immediate')
    await tell(await open(), 'after')
    expect(await told()).toEqual(['before', 'after'])
  })
})
