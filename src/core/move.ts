// Takes a token set from one store to another without a login. At no instant can both spend it, and a move that was
// cut off anywhere is finished by the same call. No I/O except through its ports.
import { clientName } from './client.js'
import { ConfigInvalid, hinted, LoginRequired, Overtaken, TokenError } from './errors.js'
import { exchangeParts, type TokenGuardOptions } from './guard-options.js'
import { addressText, closedByMove, isSameAddress, moveCommand, type NamesStore } from './move-notes.js'
import type { HeldMovable, MovableStore, MoveNote } from './move-ports.js'
import { MovedSet } from './moved-set.js'
import { isOfGrant, mayUse, otherClient } from './ownership.js'
import type { Notice } from './ports.js'
import { recover } from './recovery.js'
import type { PendingLogin, Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'
import { entry, newGrantId } from './transitions.js'

/** What a move has come to. `there`: the two are one store. `given-up`: the move that had begun is undone. */
export type Moved = 'moved' | 'moved-before' | 'there' | 'given-up'

export interface MoveOptions {
  /** A set in the new store may be replaced. */
  readonly force: boolean
  /** The name of this machine. */
  readonly host: string
  /** Says how this host's configuration names a store. */
  readonly names: NamesStore
}

/**
 * Moves the token set. Both stores are locked for all of it, in an order that is the same for everybody.
 *
 * 1. The new store is closed: a set comes.
 * 2. The old store is closed: the set goes. From here on the old one never spends it again.
 * 3. The set is saved in the new store, and opens it.
 * 4. The tokens in the old store are erased. Its note stays.
 *
 * @throws {LoginRequired} there is nothing to move
 * @throws {OtherClient} the set is another client's
 * @throws {ConfigInvalid} the new store holds a set, or another move is not finished
 * @throws {LockTimeout | StoreUnusable | StoreUnreachable}
 */
export async function move(
  from: MovableStore,
  to: MovableStore,
  options: TokenGuardOptions,
  { force, host, names }: MoveOptions,
): Promise<Moved> {
  const [here, there] = [await from.identity(), await to.identity()]
  if (here === there) {
    await from.read({ anew: true })
    return 'there'
  }
  const notices: Notice[] = []
  const quiet = { ...options, notify: (notice: Notice) => notices.push(notice) }
  const waitMs = (options.lockWait ?? 90) * 1000
  const both = (source: HeldMovable, target: HeldMovable): Promise<Moved> =>
    new Move({ from, to, source, target, options: quiet, force, host, names }).run()
  try {
    return await (here < there
      ? from.exclusiveForMove(
          (source) => to.exclusiveForMove((target) => both(source, target), waitMs),
          waitMs,
        )
      : to.exclusiveForMove(
          (target) => from.exclusiveForMove((source) => both(source, target), waitMs),
          waitMs,
        ))
  } finally {
    for (const notice of notices) options.notify?.(notice)
  }
}

interface MoveParts extends MoveOptions {
  readonly from: MovableStore
  readonly to: MovableStore
  readonly source: HeldMovable
  readonly target: HeldMovable
  readonly options: TokenGuardOptions
}

class Move {
  readonly #parts: MoveParts

  constructor(parts: MoveParts) {
    this.#parts = parts
  }

  async run(): Promise<Moved> {
    const { from, to, source, target, names, options } = this.#parts
    const [here, there] = [await source.moveNote(), await target.moveNote()]
    const uninterrupted = options.uninterrupted ?? ((section) => section())
    if (here === undefined) {
      await this.#assertMovable()
      await this.#assertFree(there)
      return uninterrupted(() => this.#begin())
    }
    const isEmpty = (await source.read()) === undefined
    if (!isSameAddress(here.other, to.address)) throw closedByMove(from, here, isEmpty, names)
    if (here.direction === 'from') return uninterrupted(() => this.#giveUp(here, there))
    if (isEmpty) return 'moved-before'
    return uninterrupted(() => this.#goOn(here))
  }

  /** Lands what a dead process has received, because it belongs to the set that is moved. */
  async #assertMovable(): Promise<void> {
    const { from, to, source, options, names } = this.#parts
    const { set, exchange } = await recover(source, exchangeParts({ ...options, store: from }))
    exchange?.assertSaved()
    if (set === undefined)
      throw new LoginRequired(`there is no token set in ${from.name} to move`, {
        hint: `${names(to.address)}, then: hq-token login`,
      })
    const named = await options.server.client()
    if (set.client !== null && !mayUse(set, named, options.apiUrl ?? null))
      throw otherClient(from.name, set.client, named)
  }

  /** @throws {ConfigInvalid} the new store holds a set, or belongs to another move */
  async #assertFree(note: MoveNote | undefined): Promise<void> {
    const { from, to, target, options, force, names } = this.#parts
    if (note === undefined) await recover(target, exchangeParts({ ...options, store: to }))
    const set = await target.read()
    const isLeft = note?.direction === 'to' && set === undefined
    const isOurs = note?.direction === 'from' && isSameAddress(note.other, from.address)
    if (note !== undefined && !isLeft && !isOurs) throw closedByMove(to, note, set === undefined, names)
    if (set === undefined || force) return
    const owner = set.client === null ? '' : ` of ${clientName(set.client)}`
    throw new ConfigInvalid(`${to.name} holds a token set already${owner}`, {
      hint: `to replace it, which keeps it as the previous one: ${moveCommand(to.address)} --force`,
    })
  }

  async #begin(): Promise<Moved> {
    const { from, to, source, target, options, host } = this.#parts
    const at = options.clock()
    const about = { host, grant: newGrantId(), at: at.now }
    await target.close({ ...about, direction: 'from', other: from.address }, null)
    const note: MoveNote = { ...about, direction: 'to', other: to.address }
    const before = await source.read()
    if (before === undefined) throw new Overtaken()
    const closed = { ...before, sequence: before.sequence + 1 }
    await source.close(note, entry(closed, 'move', 'unfinished', at, `to ${addressText(to.address)}`))
    return this.#goOn(note)
  }

  /** From here on the old store is closed. */
  async #goOn(note: MoveNote): Promise<Moved> {
    const { source, to, options } = this.#parts
    try {
      const set = await source.read()
      if (set === undefined) throw new Overtaken()
      if (!(await this.#hasArrived(note))) await this.#arrive(set, note)
      const done = entry(set, 'move', 'done', options.clock(), `to ${addressText(to.address)}`)
      await source.forget(done)
      return 'moved'
    } catch (error) {
      if (!(error instanceof TokenError) || error instanceof Overtaken) throw error
      const first = error.hint === undefined ? '' : `${error.hint}; `
      throw hinted(
        error,
        `${first}the move has begun, and the same command finishes it: ${moveCommand(to.address)}`,
      )
    }
  }

  /** Whether the new store has received the set of this move, and perhaps has gone on from it. */
  async #hasArrived({ grant }: MoveNote): Promise<boolean> {
    const { target } = this.#parts
    if ((await target.moveNote())?.grant === grant) return false
    const { history } = await target.belongings()
    return (await target.read())?.grant === grant || history.some((one) => one.grant === grant)
  }

  async #arrive(set: TokenSet, note: MoveNote): Promise<void> {
    const { from, source, target, options } = this.#parts
    const there = await target.moveNote()
    // The new store may have been made anew since the move began.
    if (there?.grant !== note.grant) await this.#assertFree(there)
    const moved = new MovedSet(set, await target.counters(), note.grant)
    const { discovered, history } = await source.belongings()
    if (discovered !== undefined) await target.pin(discovered)
    const login = await source.login()
    if (login !== undefined) await target.saveLogin(withoutHolder(login))
    await this.#takeAnswers(set, login, moved)
    const next = moved.set(await target.read())
    const arrival = entry(next, 'move', 'done', options.clock(), `from ${addressText(from.address)}`)
    const earlier = history.map((one) => moved.entry(one)).filter(({ sequence }) => sequence < next.sequence)
    await target.receive(next, [...earlier.toReversed(), arrival])
  }

  /** Takes along the answers that are not settled: one of them may hold the only copy of a pair. */
  async #takeAnswers(set: TokenSet, login: PendingLogin | undefined, moved: MovedSet): Promise<void> {
    const { source, target } = this.#parts
    const known = new Set((await target.rescue.records()).map(keyOf))
    for (const record of await source.rescue.records()) {
      const isOfSet = isOfGrant(record, set) && record.generation >= set.generation - 1
      const isOfLogin = record.login === true && login?.spent === record.spent
      const next = moved.answer(record)
      if ((!isOfSet && !isOfLogin) || known.has(keyOf(next))) continue
      known.add(keyOf(next))
      await target.rescue.keep(next)
    }
  }

  /** Undoes a move that had begun: the set is still in the store that it was to leave. */
  async #giveUp(note: MoveNote, there: MoveNote | undefined): Promise<Moved> {
    const { to, source, target, names } = this.#parts
    if (there !== undefined && there.grant !== note.grant)
      throw closedByMove(to, there, (await target.read()) === undefined, names)
    // That store first: this one is empty, and its note names the move until it is undone.
    if (there !== undefined) await target.reopen()
    // The login and the answers that have come here are still there.
    if ((await source.read()) === undefined) await source.forget(null)
    await source.reopen()
    return 'given-up'
  }
}

/** Nobody works on the login in the new store. */
function withoutHolder({
  state,
  verifier,
  redirectUri,
  begunAt,
  spent,
  grant,
  client,
}: PendingLogin): PendingLogin {
  return { state, verifier, redirectUri, begunAt, spent, grant, client }
}

/** Tells answers apart, of which a shared store may know several copies. */
function keyOf({ generation, attempt, spent, answer }: Rescued): string {
  return [generation, attempt, spent, Buffer.from(answer.body).toString('base64')].join(':')
}
