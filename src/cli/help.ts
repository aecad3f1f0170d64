// What stands below the options in the help of each command: what it ends with, and examples to type.
import { exitCodes } from './exit-codes.js'

export const EXIT_CODES = `
Exit codes:
${exitCodes.map(({ exit, when }) => `  ${String(exit).padEnd(3)} ${when.replaceAll('`', '')}`).join('\n')}`

export const INIT_HELP = `
Asks where there is a terminal; elsewhere what is missing is an error. Then tries \`doctor\`, whose lines go to
standard error: once the file is written the exit code is 0, whatever that finds.

  hq-token init
  hq-token init --instance https://acme.highq.com/acme/ --client-id 1012 --client-secret - < FILE
  hq-token init --issuer https://login.example.com/ --client-id reports --client-secret-command 'pass show reports'`

export const SEED_HELP = `
Ends with 0 where the file was disregarded, too: the store holds a token set. A program tells that by \`event\`:
seed_imported or seed_disregarded, in the lines of --log-format json.

  hq-token seed token.ini
  hq-token seed --force --issued-at 2026-11-01T09:30:00Z token.ini
  pass show highq/token | hq-token seed -`

export const GET_HELP = `
  token=$(hq-token get) && printf 'Authorization: Bearer %s' "$token" | curl -H @- https://acme.highq.com/acme/api/1/sites
  hq-token get --min-valid 10m --format header
  hq-token get --outfile ~/.highq-token
  printf %s "$HQ_TOKEN" | hq-token get --rejected -`

export const REFRESH_HELP = `
Says on a terminal what it did; in cron nothing, unless -v is given.

  hq-token refresh
  hq-token refresh --if-older 7d`

export const LOGOUT_HELP = `
  hq-token logout
  hq-token logout --local`

export const STATUS_HELP = `
Ends with 0 in every state.

  hq-token status
  hq-token status --json`

export const SANDBOX_HELP = `
Ctrl-C ends it. It prints the lines to try.

  hq-token sandbox
  hq-token sandbox --dir ~/hq-try --access-ttl 5h
  hq-token sandbox --access-ttl 2m --fault 503:3
  hq-token sandbox --fault list`

export const LOGIN_HELP = `
A redirect URI of this machine: the browser comes back by itself. Any other, or no browser here: in two halves.

  hq-token login
  hq-token login --no-browser
  hq-token login --complete -`

export const DOCTOR_HELP = `
Ends with the exit code of the first \`fail\`, and with 0 where there are warnings only. Writes nothing.

  hq-token doctor
  hq-token doctor --online --json`

export const API_HELP = `
Ends with 22 where the API answers with an error, whose words go to standard output, and with 75 where the
network failed. Redirects of GET and HEAD are followed, to another origin without the token and what -H gives.
What is sent is sent again once when the API refuses the token: fields, a file, and up to 1 MiB of standard input.

  hq-token api 1/sites -f sitename='Deal room'
  hq-token api 1/files/7 -o contract.pdf`

export const EXEC_HELP = `
Ends as the command does; with 126 where it cannot be run, with 127 where there is none. Variables of hq-token that
hold a secret (HQ_TOKEN_CLIENT_SECRET) are not handed on.

  hq-token exec -- ./export-sites.py --since yesterday
  hq-token exec --token-file -- ./daemon`

export const CREDENTIAL_HELP = `
The token goes to the API's own origin and to no other.

  git config --global credential.https://acme.highq.com.helper '!hq-token credential --protocol git'
  echo '{"uri":"https://acme.highq.com/"}' | hq-token credential --protocol bazel get`
