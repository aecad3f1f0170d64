// Makes one file of a schedule and all that it runs: without it each process would compile the sources by itself.
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

export const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/**
 * @param edits Texts that are replaced on the way; no file on disk is changed.
 * @returns The path of the bundle.
 * @throws {Error} a text is not there, or more than once
 */
export async function bundle(name, edits = []) {
  const left = new Set(edits)
  const made = await rolldown({
    input: at('test/simulation/schedule.ts'),
    platform: 'node',
    external: [/^[^./]/],
    logLevel: 'silent',
    plugins: [
      {
        name: 'edits',
        transform(code, id) {
          let text = code
          for (const edit of edits.filter(({ file }) => at(file) === id)) {
            text = edited(text, edit)
            left.delete(edit)
          }
          return text
        },
      },
    ],
  })
  const file = at(`artifacts/simulation/${name}.mjs`)
  await made.write({ file, format: 'esm', codeSplitting: false })
  for (const edit of left) throw new Error(`no schedule runs ${edit.file}`)
  return file
}

function edited(text, { file, find, replace }) {
  const [before, after, ...more] = text.split(find)
  if (after === undefined || more.length > 0)
    throw new Error(`${file} holds this ${after === undefined ? 'no longer' : 'more than once'}:\n${find}`)
  return `${before}${replace}${after}`
}
