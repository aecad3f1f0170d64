import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Faults are injected at every system call, on mounts and by the hundred: `npm run test:faults`.
    exclude: [...configDefaults.exclude, ...(process.env['FAULTS'] === undefined ? ['test/faults/**'] : [])],
    globalSetup: 'test/support/global-setup.ts',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
  },
})
