// The breaks of the scripts, workflows and pages of the repository: see breaks-table.js.
import { tests } from './tests.js'

export default [
  {
    name: 'compiled code is run whatever has become of it',
    file: 'scripts/bin.cjs',
    find: "=== key + '\\n' && code.equals(kept.subarray(end))",
    replace: "=== key + '\\n'",
    by: tests('cli/compiled', 'crashes nothing where a bit of it has turned'),
  },
  {
    name: 'compiled code of another file is run',
    file: 'scripts/bin.cjs',
    find: "kept.latin1Slice(0, begin) === key + '\\n' && ",
    replace: '',
    by: tests('cli/compiled', 'is left out where it'),
  },
  {
    name: 'project: a workflow runs what package.json does not have',
    file: '.github/workflows/ci.yml',
    find: '- run: npm run test:matrix\n',
    replace: '- run: npm run test:packed\n',
    by: tests('github/workflows', 'runs nothing of npm'),
  },
  {
    name: 'project: a workflow has a mistake that only GitHub would find',
    file: '.github/workflows/ci.yml',
    find: 'name: ${{ matrix.os }}, Node',
    replace: 'name: ${{ matricks.os }}, Node',
    by: tests('github/workflows', 'finds no mistake in'),
  },
  {
    name: 'project: the job that publishes runs code of the project',
    file: '.github/workflows/release.yml',
    find: '          registry-url: https://registry.npmjs.org\n',
    replace: '          registry-url: https://registry.npmjs.org\n      - run: npm ci\n',
    by: tests('github/workflows', 'lets a single job publish'),
  },
  {
    name: 'project: the form of a bug does not warn of secrets',
    file: '.github/ISSUE_TEMPLATE/bug.yml',
    find: '**Leave every secret out.** ',
    replace: '',
    by: tests('github/forms', 'warns of secrets'),
  },
  {
    name: 'project: the address of the repository is written by halves',
    file: 'scripts/repository.js',
    find: '    return { path, text, next: edit(text) }\n',
    replace: '    writeFileSync(path, edit(text))\n    return { path, text, next: edit(text) }\n',
    by: tests('github/repository', 'is written nowhere'),
  },
  {
    name: 'project: a release has the notes of another version',
    file: 'scripts/release-notes.js',
    find: 'text.split(/\\s/, 1)[0] === version',
    replace: 'text.startsWith(version)',
    by: tests('github/repository', 'are refused where nothing'),
  },
  {
    name: 'pictures: one shows what the program does not print',
    file: 'docs/pictures/status.svg',
    find: '3h 22m left of 5h',
    replace: '3h 23m left of 5h',
    by: tests('pictures', 'status shows'),
  },
  {
    name: 'pictures: a colour cannot be read on a dark page',
    file: 'scripts/pictures/svg.js',
    find: "    dim: '#9198a1',\n",
    replace: "    dim: '#59636e',\n",
    by: tests('pictures', 'can be read on the dark'),
  },
  {
    name: 'pictures: a terminal’s line leaves the frame',
    file: 'scripts/pictures/terminal-svg.js',
    find: 'cols: columns,',
    replace: 'cols: columns + 20,',
    by: tests('pictures', 'wraps as a terminal'),
  },
  {
    name: 'pictures: a bar of the benchmark is longer than its figure',
    file: 'bench/chart.js',
    find: '[at(1), at(Math.max(...ratios))]',
    replace: '[at(1), at(2 * Math.max(...ratios))]',
    by: tests('bench/chart', 'draws'),
  },
  {
    name: 'pictures: the diagram of the rooms leaves out imports of types',
    file: 'scripts/rooms.js',
    find: "const { importedFiles } = ts.preProcessFile(readFileSync(join(src, name), 'utf8'), true, true)",
    replace:
      "const { importedFiles } = ts.preProcessFile(readFileSync(join(src, name), 'utf8').replaceAll(/^import type.*/gm, ''), true, true)",
    by: tests('diagrams', 'has an arrow for an import'),
  },
  {
    name: 'pictures: the diagram of the exchange reads an answer before it is on disk',
    file: 'docs/architecture.md',
    find: '  job->>rescue: the bytes as they are, one write and fdatasync\n',
    replace: '  job->>job: read the answer\n  job->>rescue: the bytes as they are, one write and fdatasync\n',
    by: tests('diagrams', 'has the steps in the order'),
  },
]
