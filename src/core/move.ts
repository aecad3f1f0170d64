// Takes a token set from one store to another without a login. At no instant can both spend it, and a move that was
// cut off anywhere is finished by the same call. No I/O except through its ports.
import { clientName } from './client.js'
import { rfc3339 } from './clock.js'
import { ConfigInvalid, hinted, LoginRequired, OutcomeUnknown, Overtaken, TokenError } from './errors.js'
import { exchangeParts, type TokenGuardOptions } from './guard-options.js'
import {
  addressText,
  BEGIN_ANEW,
  closedByMove,
  isElsewhere,
  isSameAddress,
  moveCommand,
  type Here,
} from './move-notes.js'
import type { Host } from './host.js'
import type { HeldMovable, MovableStore, MoveNote } from './move-ports.js'
import { MovedSet } from './moved-set.js'
import { isOfGrant, mayUse, otherClient } from './ownership.js'
import type { Notice } from './ports.js'
import { recover } from './recovery.js'
import type { PendingLogin, Rescued } from './store-ports.js'
import type { Intent, TokenSet } from './token-set.js'
import { entry, newGrantId } from './transitions.js'

/** What a move has come to. `there`: the two are one store. `given-up`: the move that had begun is undone. */
export type Moved = 'moved' | 'moved-before' | 'there' | 'given-up'

export interface MoveOptions {
  /** A set in the new store may be replaced. */
  readonly force: boolean
  readonly here: Here & { readonly host: Pick<Host, 'name' | 'id'> }
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
 * @throws {ConfigInvalid} the new store holds a set, or another move is not finished, or another host must finish this
 * @throws {OutcomeUnknown} a host of a shared store has begun a refresh, and may have its answer
 * @throws {LockTimeout | StoreUnusable | StoreUnreachable}
 */
export async function move(
  from: MovableStore,
  to: MovableStore,
  options: TokenGuardOptions,
  { force, here: around }: MoveOptions,
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
    new Move({ from, to, source, target, options: quiet, force, here: around }).run()
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
    const { from, source, target, options } = this.#parts
    const [here, there] = [await source.moveNote(), await target.moveNote()]
    const uninterrupted = options.uninterrupted ?? ((section) => section())
    if (here === undefined) {
      await this.#assertMovable()
      await this.#assertFree(there)
      return uninterrupted(() => this.#begin())
    }
    const isEmpty = (await source.read()) === undefined
    const hasArrived = await this.#hasArrived(here)
    const isKnown = hasArrived || there?.grant === here.grant
    if (!this.#isOtherOf(here, isKnown)) throw closedByMove(from, here, isEmpty, this.#parts.here)
    if (here.direction === 'from') return uninterrupted(() => this.#giveUp(here, there))
    if (isEmpty) return 'moved-before'
    if (!isKnown) await this.#assertAnew(there)
    return uninterrupted(() => this.#goOn(here, hasArrived))
  }

  /** Whether the new store is the other one of a note. A path is that also of a file which knows the move. */
  #isOtherOf(note: MoveNote, isKnown: boolean): boolean {
    const { to, here } = this.#parts
    return isSameAddress(note.other, to.address) && (isKnown || !isElsewhere(note, here.host))
  }

  /** The new store knows nothing of the move: it must have been made anew since, and be free. */
  async #assertAnew(there: MoveNote | undefined): Promise<void> {
    const { to, here } = this.#parts
    if ('path' in to.address && here.host.id === null)
      throw new ConfigInvalid(
        `${to.name} knows nothing of the move, and may be the file of another host named ${here.host.name}`,
        { hint: `finish it where the file is that knows the move; if that is lost, ${BEGIN_ANEW}` },
      )
    await this.#assertFree(there)
  }

  /** Lands what a dead process has received, because it belongs to the set that is moved. */
  async #assertMovable(): Promise<void> {
    const { from, to, source, options, here } = this.#parts
    const { set, exchange } = await recover(source, exchangeParts({ ...options, store: from }))
    exchange?.assertSaved()
    if (set === undefined)
      throw new LoginRequired(`there is no token set in ${from.name} to move`, {
        hint: `${here.names(to.address)}, then: hq-token login`,
      })
    const named = await options.server.client()
    if (set.client !== null && !mayUse(set, named, options.apiUrl ?? null))
      throw otherClient(from.name, set.client, named)
    if (this.#mayWaitElsewhere(set)) throw await this.#unfinished(set.intent)
  }

  /**
   * Whether another host of a shared store may have a pair on its disk, which could not be saved once the store is
   * closed. What a file's process has left was on this disk, and is recovered.
   */
  #mayWaitElsewhere(set: TokenSet): set is TokenSet & { readonly intent: Intent } {
    return this.#parts.from.isShared && set.intent !== null
  }

  async #unfinished({ attempt, at }: Intent): Promise<OutcomeUnknown> {
    const { source, to } = this.#parts
    const { history } = await source.belongings()
    const host = history.find(({ sequence }) => sequence === attempt)?.host ?? 'another host'
    return new OutcomeUnknown(
      `a refresh begun by ${host} at ${rfc3339(at)} is unfinished, and its answer may be on the disk of ${host} only`,
      {
        // `get` would hand out a token that is still good, and finish nothing.
        hint: `finish it on ${host}: hq-token refresh; if ${host} is gone, the same here; then: ${moveCommand(to.address)}`,
      },
    )
  }

  /** @throws {ConfigInvalid} the new store holds a set, or belongs to another move */
  async #assertFree(note: MoveNote | undefined): Promise<void> {
    const { from, to, target, options, force, here } = this.#parts
    if (note === undefined) await recover(target, exchangeParts({ ...options, store: to }))
    const set = await target.read()
    const isLeft = note?.direction === 'to' && set === undefined
    const isOurs =
      note?.direction === 'from' && isSameAddress(note.other, from.address) && !isElsewhere(note, here.host)
    if (note !== undefined && !isLeft && !isOurs) throw closedByMove(to, note, set === undefined, here)
    if (set === undefined || force) return
    const owner = set.client === null ? '' : ` of ${clientName(set.client)}`
    throw new ConfigInvalid(`${to.name} holds a token set already${owner}`, {
      hint: `to replace it, which keeps it as the previous one: ${moveCommand(to.address)} --force`,
    })
  }

  async #begin(): Promise<Moved> {
    const { from, to, source, target, options, here } = this.#parts
    const { name, id } = here.host
    const at = options.clock()
    const about = { host: { name, id }, grant: newGrantId(), at: at.now }
    await target.close({ ...about, direction: 'from', other: from.address }, null)
    const note: MoveNote = { ...about, direction: 'to', other: to.address }
    const before = await source.read()
    if (before === undefined || this.#mayWaitElsewhere(before)) throw new Overtaken()
    const closed = { ...before, sequence: before.sequence + 1 }
    await source.close(note, entry(closed, 'move', 'unfinished', at, `to ${addressText(to.address)}`))
    return this.#goOn(note, false)
  }

  /** From here on the old store is closed. */
  async #goOn(note: MoveNote, hasArrived: boolean): Promise<Moved> {
    const { source, to, options } = this.#parts
    try {
      const set = await source.read()
      if (set === undefined) throw new Overtaken()
      if (!hasArrived) await this.#arrive(set, note)
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
    const { to, source, target, here } = this.#parts
    if (there !== undefined && there.grant !== note.grant)
      throw closedByMove(to, there, (await target.read()) === undefined, here)
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
