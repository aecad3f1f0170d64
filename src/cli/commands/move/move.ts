// Takes the token set to another store, and says what to do next. Changes no configuration.
import type { Moved } from '../../../core/move.js'
import type { Session } from '../../session.js'

export async function move(session: Session, force: boolean): Promise<void> {
  const { voice, store } = session
  const { moved, to, next } = await session.move(force)
  const [old, now] = [store.name, to.name]
  const said: Record<Moved, string> = {
    moved: `the token set is in ${now} now; ${old} is closed, and points there`,
    'moved-before': `the token set is in ${now} since an earlier move; ${old} is closed, and points there`,
    there: `the token set is in ${now} already: nothing was moved`,
    'given-up': `the move is undone: the token set is in ${now} as before, and ${old} is empty`,
  }
  const hint = `${next}; do the same on each other host that used ${old} or is to use ${now}`
  voice.tell({ level: 'info', message: said[moved], ...(moved !== 'there' && { hint }) })
}
