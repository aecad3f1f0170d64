import { defineConfig } from 'vitest/config'

const FAULTS = 'test/faults/**/*.test.ts'

export default defineConfig({
  test: {
    globalSetup: 'test/support/global-setup.ts',
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'parts', include: ['test/**/*.test.ts'], exclude: [FAULTS] },
      },
      {
        extends: true,
        // Each harness has the machine to itself, after all else. `FAULTS=full` tries every point.
        test: {
          name: 'faults',
          include: [FAULTS],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
