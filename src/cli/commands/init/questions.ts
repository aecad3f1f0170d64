// Asks a person at a terminal. Writes to standard error only.
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../../world.js'

/** Milliseconds between two lines of one paste, at most. */
const PASTE_MS = 250

/** A person has ended the questions: by Ctrl-C, or by Ctrl-D, which ends the input. */
export class QuestionsBroken extends Error {
  readonly by: 'interrupt' | 'end'

  constructor(by: 'interrupt' | 'end') {
    super(by)
    this.by = by
  }
}

interface Waiting {
  readonly question: string
  readonly hidden: boolean
  readonly take: (line: string) => void
  readonly fail: (why: QuestionsBroken) => void
}

/**
 * Questions to a person at a terminal, on standard error.
 *
 * One line editor serves all questions, so that the terminal itself echoes nothing from the first question to the
 * last, nor between two of them. What is typed ahead waits unseen for its question.
 */
export class Questions {
  readonly #screen: Writable
  readonly #editor: Interface
  readonly #typedAhead: string[] = []
  #waiting: Waiting | undefined
  #broken: QuestionsBroken | undefined
  #echo = false

  constructor({ stdin, stderr }: Pick<World, 'stdin' | 'stderr'>) {
    this.#screen = stderr
    const echo = new Writable({
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        if (this.#echo) stderr.write(text)
        done()
      },
    })
    Object.defineProperty(echo, 'columns', { get: () => stderr.columns })
    // No history, because the arrow up would bring an answer back to the screen.
    this.#editor = createInterface({ input: stdin, output: echo, terminal: true, historySize: 0 })
      .on('line', (line) => {
        this.#heard(line)
      })
      // The process was stopped by Ctrl-Z, and is back.
      .on('SIGCONT', () => {
        this.#show()
      })
      .on('SIGINT', () => {
        this.#break('interrupt')
      })
      .on('close', () => {
        this.#break('end')
      })
      // The terminal is gone.
      .on('error', () => {
        this.#break('end')
      })
  }

  /**
   * @param how.hidden Shows nothing of the answer, not even its length. Ask it last, because the editor's yank
   *   could bring it into a later answer.
   * @throws {QuestionsBroken}
   */
  async ask(question: string, { hidden = false } = {}): Promise<string> {
    if (this.#broken !== undefined) throw this.#broken
    const ahead = this.#typedAhead.shift()
    if (ahead !== undefined) {
      this.#screen.write(`${question}${hidden ? '' : ahead}\n`)
      return ahead
    }
    return new Promise((take, fail) => {
      this.#waiting = { question, hidden, take, fail }
      this.#show()
    })
  }

  /**
   * Asks for a paste, and takes all of it: an address that a mail program has broken comes as several lines.
   *
   * @throws {QuestionsBroken}
   */
  async askForPaste(question: string): Promise<string> {
    const lines = [await this.ask(question)]
    // The lines of a paste come at once; the text before the cursor still wants its Enter.
    do {
      await sleep(PASTE_MS)
      lines.push(...this.#typedAhead.splice(0))
    } while (this.#editor.line !== '' && this.#broken === undefined)
    return lines.join('\n')
  }

  close(): void {
    this.#editor.close()
  }

  #show(): void {
    if (this.#waiting === undefined) return
    const { question, hidden } = this.#waiting
    if (hidden) this.#screen.write(question)
    this.#echo = !hidden
    this.#editor.setPrompt(question)
    this.#editor.prompt(true)
  }

  #heard(line: string): void {
    // Do it now, because the rest of the paste comes in the same iteration.
    this.#echo = false
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) {
      this.#typedAhead.push(line)
      return
    }
    if (waiting.hidden) this.#screen.write('\n')
    waiting.take(line)
  }

  #break(by: QuestionsBroken['by']): void {
    this.#broken ??= new QuestionsBroken(by)
    this.#echo = false
    if (this.#waiting === undefined) return
    this.#screen.write('\n')
    this.#waiting.fail(this.#broken)
    this.#waiting = undefined
  }
}
