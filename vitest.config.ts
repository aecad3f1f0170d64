import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { canContain } from './test/support/container.js'

const FAULTS = 'test/faults/**/*.test.ts'
/** The faults of a shared store: `npm run test:fleet`. */
const FLEET = 'test/fleet/**/*.test.ts'
/** They mount, trace and take other users' places; who cannot is told so, and CI, which can, counts them. */
const canFault = process.platform === 'linux' && process.geteuid?.() === 0
if (!canFault) process.stderr.write('the fault harnesses need Linux and root: they are left out\n')
/** It boots a systemd. */
const SYSTEMD = 'test/faults/systemd.test.ts'
const canBoot = canFault && canContain()
if (canFault && !canBoot)
  process.stderr.write(
    `${SYSTEMD} needs systemd-nspawn (apt-get install systemd-container) and a kernel that lets it run: it is left out\n`,
  )

/** Folders with another undici, whose `Agent` users may bring, and with another pg: see scripts/matrix.js. */
const { UNDICI, PG } = process.env
const alias = { ...(UNDICI !== undefined && { undici: UNDICI }), ...(PG !== undefined && { pg: PG }) }

export default defineConfig({
  test: {
    alias,
    globalSetup: 'test/support/global-setup.ts',
    // For what hangs: on a machine with fifteen others at work a test takes ten times as long as by itself.
    testTimeout: 120_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [FAULTS, FLEET],
          // One more than there are processors: many wait for a timer, a server or a child.
          maxWorkers: availableParallelism() + 1,
        },
      },
      ...(canFault
        ? [
            {
              extends: true as const,
              // Each harness has the machine to itself, after all else. `FAULTS=full` tries every point.
              test: {
                name: 'faults',
                include: [FAULTS],
                exclude: canBoot ? [] : [SYSTEMD],
                fileParallelism: false,
                sequence: { groupOrder: 1 },
              },
            },
          ]
        : []),
      ...(process.env['FLEET'] === undefined
        ? []
        : [
            {
              extends: true as const,
              test: { name: 'fleet', include: [FLEET], fileParallelism: false, sequence: { groupOrder: 2 } },
            },
          ]),
    ],
  },
})
