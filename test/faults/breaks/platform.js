// The breaks of `src/platform`: see breaks-table.js.
import { tests } from './tests.js'

export default [
  {
    name: 'no name is synced',
    file: 'src/platform/files.ts',
    find: 'export function syncFolder(folder: string): void {\n  if (!posix) return\n',
    replace: "export function syncFolder(folder: string): void {\n  if (!posix || folder !== '') return\n",
    by: tests('faults/power-cut', 'right after a token was printed'),
  },
  {
    name: 'the name of a new file is not synced',
    file: 'src/platform/files.ts',
    find: '      renameSync(draft, path)\n    })\n    syncFolder(dirname(path))\n',
    replace: '      renameSync(draft, path)\n    })\n',
    by: tests('faults/crash-points', 'a name that lasts'),
  },
  {
    name: 'a new file is put in place before it is synced',
    file: 'src/platform/files.ts',
    find: '      writeFully(fd, content, 0)\n      fsyncSync(fd)\n',
    replace: '      writeFully(fd, content, 0)\n',
    by: tests('faults/power-cut', 'during a first seed'),
  },
  {
    name: 'signals are not held',
    file: 'src/platform/signals.ts',
    find: '  const release = listen(signals, hold)\n',
    replace: '  const release = listen([], hold)\n',
    by: tests('faults/storm', 'when it has saved'),
  },
  {
    name: 'a new file is everybody’s for an instant',
    file: 'src/platform/files.ts',
    find: '| NO_FOLLOW, 0o600)',
    replace: '| NO_FOLLOW)',
    by: tests('faults/hostile', 'made wider than 0600'),
  },
  {
    name: 'a signal that came while the process stood still is lost',
    file: 'src/platform/signals.ts',
    find: '    await iteration()\n    await iteration()\n',
    replace: '',
    by: tests('faults/storm', 'a signal that came meanwhile'),
  },
  {
    name: 'a reload of somebody else’s ends a refresh',
    file: 'src/platform/signals.ts',
    find: 'if (!othersListen(signal)) stop.abort(signal)',
    replace: 'stop.abort(signal)',
    by: tests('platform/signals', 'somebody else listens'),
  },
  {
    name: 'the profiler’s clock counts as a signal',
    file: 'src/platform/signals.ts',
    find: "all().includes('SIGPROF') && isProfiled()",
    replace: "!all().includes('SIGPROF') && isProfiled()",
    by: tests('faults/signals', 'profiler'),
  },
  {
    name: 'a stop is not held',
    file: 'src/platform/signals.ts',
    find: "const STOPPING: ReadonlySet<string> = new Set(['SIGTSTP', 'SIGTTIN', 'SIGTTOU'])\n",
    replace:
      "const STOPPING: ReadonlySet<string> = new Set(['SIGTSTP', 'SIGTTIN', 'SIGTTOU'])\nfor (const stop of STOPPING) (NOT_HELD as Set<string>).add(stop)\n",
    by: tests('faults/signals', 'waits for the save and the lock'),
  },
  {
    name: 'a killed process’s draft stays',
    file: 'src/platform/draft.ts',
    find: '    removeLeftDrafts(folder)\n',
    replace: '    void removeLeftDrafts\n',
    by: tests('e2e/drafts', 'of a killed process'),
  },
  {
    name: 'a living process’s draft is removed',
    file: 'src/platform/draft.ts',
    find: "    if (fate === 'alive') return\n",
    replace: '',
    and: [
      {
        file: 'src/platform/draft.ts',
        find: "    if (fate === 'dead' ||",
        replace: "    if (fate !== 'elsewhere' ||",
      },
    ],
    by: tests('e2e/drafts', 'of a killed process'),
  },
  {
    name: 'place: root makes a store in a user’s home',
    file: 'src/platform/files.ts',
    find: '  if (self !== 0 || owner === 0) return undefined\n',
    replace: '  if (self !== -1 || owner === 0) return undefined\n',
    by: tests('e2e/places', 'nothing is made there'),
  },
  {
    name: 'place: a daemon of the secret’s command is waited for',
    file: 'src/platform/shell-command.ts',
    find: '      void Promise.race([closed, unread()])',
    replace: '      void unread\n      void Promise.race([closed])',
    by: tests('config/client-secret', 'not waited for'),
  },
  {
    name: 'place: a signal leaves what the secret’s command has begun',
    file: 'src/platform/shell-command.ts',
    find: '    const noLonger = beforeSignalsEnd(() => {\n      endAll(family(child))\n    })\n',
    replace: '    const noLonger = beforeSignalsEnd(() => undefined)\n',
    by: tests('config/client-secret', 'SIGTERM ends'),
  },
]
