// Holds the workflows against GitHub's own parser and against the repository; it cannot run them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { workflowParser } from '../support/workflow-parser.js'

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}
interface Job {
  readonly uses?: string
  readonly steps?: readonly Step[]
  readonly permissions?: Readonly<Record<string, string>>
  readonly container?: { readonly image: string }
  readonly strategy?: { readonly matrix: { readonly node?: readonly number[] } }
  readonly 'runs-on'?: string
  readonly 'timeout-minutes'?: number
}
interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>
  readonly concurrency?: object
  readonly jobs: Readonly<Record<string, Job>>
}

const FOLDER = '.github/workflows'
const names = readdirSync(FOLDER)
const textOf = (name: string): string => readFileSync(`${FOLDER}/${name}`, 'utf8')
const workflow = (name: string): Workflow => parse(textOf(name)) as Workflow
const { scripts, engines } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>
  engines: { node: string }
}
const NODES = [20, 22, 24, 26]
const nvmrc = Number(readFileSync('.nvmrc', 'utf8'))

let parser: Awaited<ReturnType<typeof workflowParser>>

beforeAll(async () => {
  parser = await workflowParser()
})

async function mistakes(name: string, content: string): Promise<string[]> {
  const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = parser
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter())
  if (value !== undefined) await convertWorkflowTemplate(context, value)
  return context.errors.getErrors().map(String)
}

describe('GitHub’s parser of workflows', () => {
  it.each(names)('GitHub’s parser of workflows finds no mistake in %s', async (name) => {
    expect(await mistakes(name, textOf(name))).toEqual([])
  })

  it('GitHub’s parser of workflows finds a context, a key and a job that do not exist', async () => {
    const ci = textOf('ci.yml')
    const broken = [
      ci.replace('matrix.os }}', 'matricks.os }}'),
      ci.replace('timeout-minutes: 45', 'timeout-minuets: 45'),
      textOf('release.yml').replace('needs: pack', 'needs: pakc'),
    ]
    for (const text of broken) expect(await mistakes('broken.yml', text)).not.toEqual([])
  })
})

describe.each(names)('the workflow %s', (name) => {
  const { jobs, permissions, concurrency } = workflow(name)
  const steps = Object.values(jobs).flatMap((job) => job.steps ?? [])
  const runs = steps.flatMap(({ run }) => (run === undefined ? [] : [run]))

  it('a workflow runs nothing of npm that package.json does not have', () => {
    const asked = runs.flatMap((run) =>
      [...run.matchAll(/\bnpm (?:run )?([\w:-]+)/g)].map(([, one = '']) => one),
    )
    const own = asked.filter((one) => !['ci', 'pack', 'publish'].includes(one))
    expect(asked.length).toBeGreaterThan(0)
    expect(own.filter((one) => !(one in scripts))).toEqual([])
  })

  it('a workflow names no file that is not there', () => {
    const files = [
      ...runs.flatMap((run) => [...run.matchAll(/(?:bash|node) (\S+)/g)].map(([, path = '']) => path)),
      ...Object.values(jobs).flatMap(({ uses }) => (uses?.startsWith('./') === true ? [uses] : [])),
      ...steps.flatMap((step) => step.with?.['node-version-file'] ?? []).map(String),
    ]
    expect(files.filter((path) => !existsSync(path))).toEqual([])
  })

  it('pins every action by its major version or by its commit, and takes GitHub’s own only', () => {
    const actions = steps.flatMap(({ uses }) => uses ?? [])
    expect(actions.length).toBeGreaterThan(0)
    for (const action of actions) expect(action).toMatch(/^actions\/[\w-]+@(?:v\d+|[0-9a-f]{40})$/)
  })

  it('may read and nothing else, where a job does not say more', () => {
    expect(permissions).toEqual({ contents: 'read' })
    expect(concurrency).toBeDefined()
  })

  it('a workflow leaves no credentials behind in a checkout', () => {
    for (const step of steps.filter(({ uses }) => uses?.startsWith('actions/checkout@') === true))
      expect(step.with).toMatchObject({ 'persist-credentials': false })
  })

  it('puts nothing that a stranger can choose into the text of a command', () => {
    for (const run of runs) expect(run).not.toContain('${{')
  })

  it('a workflow gives every job a time limit', () => {
    for (const [job, { uses, ...rest }] of Object.entries(jobs))
      if (uses === undefined) expect([job, rest['timeout-minutes']]).toEqual([job, expect.any(Number)])
  })
})

describe('the workflow of every push', () => {
  const jobs = Object.values(workflow('ci.yml').jobs)
  const nodesOn = (system: string): number[] =>
    jobs
      .filter((job) => JSON.stringify([job['runs-on'], job.strategy]).includes(system))
      .flatMap(
        ({ container, strategy }) =>
          strategy?.matrix.node ?? Number(/node:(\d+)/.exec(container?.image ?? '')?.[1]),
      )
      .filter((node) => !Number.isNaN(node))
      .sort((a, b) => a - b)

  it.each(['ubuntu', 'windows', 'macos'])(
    'the workflow of every push has every Node that is supported on %s',
    (system) => {
      expect(nodesOn(system)).toEqual(NODES)
    },
  )

  it('the workflow of every push has the Nodes of the test of the packed tarball, from the oldest one that package.json takes', () => {
    expect(readFileSync('scripts/nodes.js', 'utf8')).toContain(`[${NODES.join(', ')}]`)
    expect(engines.node).toMatch(new RegExp(`^>=${NODES[0]}\\.`))
    expect(NODES).toContain(nvmrc)
  })

  it('the workflow of every push runs every part of .ci/run, and all of it once', () => {
    const runs = jobs.flatMap(({ steps = [] }) => steps.flatMap(({ run }) => run ?? []))
    expect(runs).toContain('bash .ci/run')
    const parts = [...readFileSync('.ci/run', 'utf8').matchAll(/^(npm (?:run )?[\w:-]+|bash \S+)/gm)]
    expect(parts.map(([part]) => part)).toEqual([
      'bash .ci/packages',
      ...['npm test', 'npm run test:faults', 'npm run test:windows', 'npm run check', 'npm start'],
    ])
    for (const [part] of parts) if (part !== 'npm run test:faults') expect(runs).toContain(part)
  })

  it('the workflow of every push runs tests on Windows and macOS that are there', () => {
    const paths = (scripts['test:portable'] ?? '').split(' ').filter((word) => word.startsWith('test/'))
    expect(paths.length).toBeGreaterThan(3)
    expect(paths.filter((path) => !existsSync(path))).toEqual([])
  })
})

describe('the workflow of a release', () => {
  const { jobs } = workflow('release.yml')

  it('the workflow of a release publishes what was tested, with provenance and without a token of npm', () => {
    const { publish } = jobs
    expect(publish?.permissions).toEqual({ 'id-token': 'write' })
    expect(publish?.steps?.map(({ run }) => run ?? '')).toContainEqual(
      expect.stringMatching(/^npm publish \S+\.tgz --provenance/),
    )
    expect(textOf('release.yml')).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/)
    expect(jobs['test']).toMatchObject({ uses: './.github/workflows/ci.yml' })
  })

  it('the workflow of a release lets a single job publish, which checks nothing out and installs nothing', () => {
    const may = Object.values(jobs).filter(({ permissions }) => permissions?.['id-token'] !== undefined)
    expect(may).toHaveLength(1)
    expect(JSON.stringify(may)).not.toMatch(/checkout|npm ci|npm install/)
  })

  it('the workflow of a release publishes with a Node whose npm can do it by OIDC', () => {
    const nodes = Object.values(jobs).flatMap(({ steps = [] }) =>
      steps.flatMap((step) => step.with?.['node-version'] ?? []),
    )
    expect(nodes).toEqual([nvmrc])
    // npm 11.5.1 does; Node 22 has npm 10.
    expect(nvmrc).toBeGreaterThanOrEqual(24)
  })
})
