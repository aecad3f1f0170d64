// Makes the JSON Schema files of docs/schemas from the schemas of `hq-token/schemas`; `npm run docs` writes them.
import { z } from 'zod'
import { schemas } from '../build/schemas/index.js'

/** Where npm's mirrors serve a published file of the package. */
const BASE = 'https://unpkg.com/hq-token/docs/schemas'

/** The files, and a page that shows them to people, by their paths below docs. */
export function schemaFiles(mark) {
  const all = Object.entries(schemas).map(([name, schema]) => [name, jsonSchema(name, schema)])
  const files = all.map(([name, schema]) => [`schemas/${name}.json`, `${JSON.stringify(schema, null, 2)}\n`])
  return { ...Object.fromEntries(files), 'schemas/README.md': page(mark, all) }
}

function page(mark, all) {
  const parts = all.map(([name, schema]) => {
    const rows = rowsOf(schema).map(
      ([key, type, meaning]) => `| \`${key}\` | ${type} | ${meaning.replaceAll('|', '\\|')} |\n`,
    )
    return `## \`${schema.title}\`\n\n${schema.description} [${name}.json](${name}.json)\n\n| key | type | meaning |\n| --- | --- | --- |\n${rows.join('')}`
  })
  return `${mark}
# JSON that hq-token prints

A JSON Schema (draft 2020-12) for each. New keys may come, old ones stay. In the package they are \`hq-token/schemas/NAME.json\`, and
\`hq-token/schemas\` has the same by zod.

${parts.join('\n')}`
}

/** Key, type and meaning of each key, at any depth. */
function rowsOf(schema, before = '') {
  return (schema.anyOf ?? schema.oneOf ?? [schema]).flatMap((branch) =>
    Object.entries(branch.properties ?? {}).flatMap(([name, key]) => {
      const path = `${before}${name}`
      const items = key.type === 'array' ? '[]' : ''
      const isOptional = !(branch.required ?? []).includes(name)
      return [
        [path, `${typeOf(key)}${isOptional ? ', may be missing' : ''}`, key.description ?? ''],
        ...rowsOf(key.items ?? key, `${path}${items}.`),
      ]
    }),
  )
}

function typeOf(key) {
  if (key.anyOf !== undefined) return key.anyOf.map(typeOf).join(' or ')
  if ('const' in key) return `\`${JSON.stringify(key.const)}\``
  if (key.enum !== undefined) return key.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ')
  if (key.type === 'array') return `list of ${typeOf(key.items)}`
  return key.format === 'date-time' ? 'instant' : [key.type].flat().join(' or ')
}

function jsonSchema(name, schema) {
  // As input, because an output may get new keys: as output zod writes that there are no others.
  const { $schema, title, description, ...rest } = z.toJSONSchema(schema, { io: 'input', override: plainer })
  return { $schema, $id: `${BASE}/${name}.json`, title, description, ...rest }
}

/** Leaves out what only zod needs: a person reads these files. */
function plainer({ jsonSchema: part }) {
  // `format` says it already; what stays is that the instant is in UTC.
  if (part.format === 'date-time') part.pattern = 'Z$'
  if (part.maximum === Number.MAX_SAFE_INTEGER) delete part.maximum
  if (part.minimum === Number.MIN_SAFE_INTEGER) delete part.minimum
}
