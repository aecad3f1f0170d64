// Holds the issue forms and the update rules against what GitHub takes; nothing outside GitHub can try them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const FOLDER = '.github/ISSUE_TEMPLATE'
const yaml = (path: string): unknown => parse(readFileSync(path, 'utf8'))

const id = z.string().regex(/^[\w-]+$/)
const validations = z.strictObject({ required: z.boolean() })
const field = {
  label: z.string().min(1),
  description: z.string().optional(),
  placeholder: z.string().optional(),
}
const part = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('markdown'), attributes: z.strictObject({ value: z.string() }) }),
  z.strictObject({
    type: z.literal('textarea'),
    id,
    attributes: z.strictObject({ ...field, render: z.string().optional() }),
    validations,
  }),
  z.strictObject({ type: z.literal('input'), id, attributes: z.strictObject(field), validations }),
  z.strictObject({
    type: z.literal('checkboxes'),
    id,
    attributes: z.strictObject({
      label: z.string(),
      options: z.array(z.strictObject({ label: z.string(), required: z.boolean() })),
    }),
  }),
])
const form = z.strictObject({
  name: z.string(),
  description: z.string().min(4),
  labels: z.array(z.string()),
  body: z.array(part).min(1),
})
type Part = z.infer<typeof part>

const forms = readdirSync(FOLDER).filter((name) => name !== 'config.yml')
const words = ({ attributes }: Part): string => Object.values(attributes).flat().map(String).join('\n')

describe('an issue form', () => {
  it.each(forms)('%s is one that GitHub takes', (name) => {
    const { body } = form.parse(yaml(`${FOLDER}/${name}`))
    const ids = body.flatMap((one) => ('id' in one ? [one.id] : []))
    expect(new Set(ids).size).toBe(ids.length)
    expect(body.filter(({ type }) => type !== 'markdown').length).toBeGreaterThan(0)
  })

  it.each(forms)('%s warns of secrets before it asks for anything', (name) => {
    const [first] = form.parse(yaml(`${FOLDER}/${name}`)).body
    expect(first?.type).toBe('markdown')
    expect(first === undefined ? '' : words(first)).toMatch(/Leave every secret out/)
  })

  it('an issue form asks in a bug for what doctor says, for what -v says and for the versions, and has the secrets looked for', () => {
    const { body } = form.parse(yaml(`${FOLDER}/bug.yml`))
    const required = body.flatMap((one) =>
      ('validations' in one && one.validations.required) || one.type === 'checkboxes' ? [words(one)] : [],
    )
    for (const asked of [/hq-token doctor/, /-v\b/, /--version/])
      expect(required).toContainEqual(expect.stringMatching(asked))
    const boxes = body.flatMap((one) => (one.type === 'checkboxes' ? one.attributes.options : []))
    expect(boxes).toEqual([{ label: expect.stringMatching(/no token/) as string, required: true }])
  })
})

describe('the page before an issue', () => {
  const links = z.strictObject({
    blank_issues_enabled: z.boolean(),
    contact_links: z.array(z.strictObject({ name: z.string(), url: z.url(), about: z.string() })),
  })

  it('the page before an issue offers the forms only, and sends a hole in the security to SECURITY.md', () => {
    const { blank_issues_enabled: blank, contact_links: contacts } = links.parse(yaml(`${FOLDER}/config.yml`))
    expect(blank).toBe(false)
    expect(contacts.map(({ url }) => url)).toContainEqual(expect.stringMatching(/\/security\/policy$/))
  })

  it('links to headings that are there', () => {
    const { contact_links: contacts } = links.parse(yaml(`${FOLDER}/config.yml`))
    for (const { url } of contacts) {
      const [, path, heading = ''] = /\/blob\/main\/([^#]+)#(.+)$/.exec(url) ?? []
      if (path === undefined) continue
      const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      )
      expect(headings).toContain(heading)
    }
  })
})

describe('the updates of dependencies', () => {
  const { updates } = yaml('.github/dependabot.yml') as {
    updates: { 'package-ecosystem': string; directory?: string; directories?: string[]; groups: object }[]
  }

  it('the updates of dependencies are of npm and of the actions, in groups', () => {
    expect(updates.map((one) => one['package-ecosystem'])).toEqual(['npm', 'github-actions'])
    for (const { groups } of updates) expect(Object.keys(groups).length).toBeGreaterThan(0)
  })

  it('look where there is a lock file', () => {
    const folders = updates
      .filter((one) => one['package-ecosystem'] === 'npm')
      .flatMap((one) => one.directories ?? [])
    expect(folders.filter((folder) => !existsSync(`.${folder}/package-lock.json`))).toEqual([])
    expect(folders).toHaveLength(3)
  })
})

describe('the owners of the code', () => {
  it('the owners of the code are those of files and folders that are there', () => {
    const paths = readFileSync('.github/CODEOWNERS', 'utf8')
      .split('\n')
      .flatMap((line) => /^(\/\S+)\s+@/.exec(line)?.[1] ?? [])
    expect(paths.length).toBeGreaterThan(3)
    expect(paths.filter((path) => !existsSync(`.${path}`))).toEqual([])
  })
})

describe('the settings of editors', () => {
  const settings = readFileSync('.editorconfig', 'utf8')

  it('the settings of editors are those of prettier', () => {
    const { printWidth } = JSON.parse(readFileSync('.prettierrc.json', 'utf8')) as { printWidth: number }
    expect(settings).toContain(`max_line_length = ${printWidth}\n`)
    // Prettier's own.
    expect(settings).toMatch(/^indent_size = 2$/m)
    expect(settings).toMatch(/^end_of_line = lf$/m)
  })
})
