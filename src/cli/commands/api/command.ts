// The command line of `hq-token api`: its options, their types and its help. Loads what does the work when it runs.
import { type Command, Option } from 'commander'
import { collect, file, seconds } from '../../arguments.js'
import type { Edge } from '../../edge.js'
import { rawField, typedField, type Field, type FileField } from './fields.js'

export interface ApiOptions {
  readonly method?: string
  readonly header?: readonly string[]
  /** In the order of the command line. */
  readonly fields: readonly (Field | FileField)[]
  /** A path, or `-`. */
  readonly input?: string
  readonly include?: boolean
  readonly output?: string
  /** Seconds without a byte. */
  readonly timeout: number
}

const HELP = `
Ends with 22 if the API answers with an error, and prints that answer on standard output. Ends with 75 if the
network fails. Redirects of GET and HEAD are followed; another origin gets neither the token nor the headers of -H.
If the API refuses the token, the request is sent once more: fields, a file, or up to 1 MiB of standard input.

  hq-token api 1/sites -f sitename='Deal room'
  hq-token api 1/files/7 -o contract.pdf`

/** Adds `api`: to call the API. */
export function command(root: Command, { withSession }: Edge): void {
  const fields: (Field | FileField)[] = []
  root
    .command('api')
    .argument('<path>', 'a path below the API (1/sites), a path of the host (/acme/api/1/sites), or a URL')
    .description('call the API with the token; if the API refuses the token, once more with a new one')
    .option('-X, --method <method>', 'default: GET, or POST where a body is sent')
    .option(
      '-H, --header <header>',
      '"name: value"; may be repeated; "name:" without a value removes that header',
      collect,
    )
    .addOption(
      new Option(
        '-f, --raw-field <key=value>',
        'a field of the JSON body, or of the query of a GET; may be repeated',
      ).argParser((text) => fields.push(rawField(text))),
    )
    .addOption(
      new Option(
        '-F, --field <key=value>',
        'the same; true, false, null and whole numbers keep their JSON type, and @FILE gives what the file holds',
      ).argParser((text) => fields.push(typedField(text))),
    )
    .option(
      '--input <file>',
      'send this file as the body; - for standard input; fields then go into the query',
    )
    .option('-i, --include', 'print the status line and the headers too')
    .option('-o, --output <file>', 'write the answer to a file, whole or not at all', file)
    .addOption(
      new Option('--timeout <duration>', 'give up when nothing is sent or received for this long')
        .argParser(seconds)
        .default(60, '60s'),
    )
    .addHelpText('after', HELP)
    .action(
      withSession(
        async (session, path: string, options: Omit<ApiOptions, 'fields'>) =>
          (await import('./api.js')).api(session, path, { ...options, fields }),
        { tells: true },
      ),
    )
}
