// The keys of the config file. Everything that is said about keys, in code or in docs, comes from here. Reads
// nothing.
/** One key of the config file. */
export interface ConfigKey {
  readonly section: string
  readonly key: string
  /** The environment variable that wins over the file. */
  readonly env: string
  readonly description: string
  readonly example: string
  /** As it would be written in the file; `null` if there is none or `description` has to explain it. */
  readonly default: string | null
  /** False: the key is recognised, and refused in this version. */
  readonly supported: boolean
  /** Whether its text is a secret, or matches this if it holds one. */
  readonly isSecret: boolean | RegExp
}

const key = <Section extends string, Key extends string>(
  section: Section,
  name: Key,
  rest: {
    env?: string
    description: string
    example: string
    default?: string
    supported?: false
    isSecret?: ConfigKey['isSecret']
  },
): ConfigKey & { readonly section: Section; readonly key: Key } => ({
  section,
  key: name,
  env: rest.env ?? `HQ_TOKEN_${name.toUpperCase()}`,
  description: rest.description,
  example: rest.example,
  default: rest.default ?? null,
  supported: rest.supported ?? true,
  isSecret: rest.isSecret ?? false,
})

/** The keys in the order of the documentation. */
export const configKeys = [
  key('client', 'instance', {
    description:
      'Address of a HighQ Collaborate instance, with or without the last slash or /api. It gives authorize_url, token_url and api_url, except those that are set themselves.',
    example: 'https://acme.highq.com/acme/',
  }),
  key('client', 'client_id', {
    description: 'Client id of the API application registration.',
    example: '1012',
  }),
  key('client', 'client_secret', {
    description: 'Client secret. At most one of client_secret, client_secret_file and client_secret_command.',
    example: 'your_client_secret',
    isSecret: true,
  }),
  key('client', 'client_secret_file', {
    description: 'File that holds the client secret and nothing else; one line end after it is dropped.',
    example: 'client-secret',
  }),
  key('client', 'client_secret_command', {
    description:
      'Shell command that prints the client secret. Run in the folder of the config file, only when the secret is needed, for at most 10 seconds.',
    example: 'pass show highq/client-secret',
  }),
  key('client', 'redirect_uri', {
    description:
      'Redirect URI of the registration, for logging in. If it is a loopback address, the browser comes back by itself; if it names no port, hq-token takes any free port.',
    example: 'http://127.0.0.1:8765/callback',
  }),
  key('client', 'token_url', {
    description: 'Token endpoint. Default: <instance>/api/oauth2/token.',
    example: 'https://login.example.com/oauth2/token',
  }),
  key('client', 'authorize_url', {
    description: 'Authorization endpoint. Default: <instance>/authorize.action.',
    example: 'https://login.example.com/oauth2/authorize',
  }),
  key('client', 'revocation_url', {
    description: 'Revocation endpoint (RFC 7009). Without it, a logout only forgets the tokens.',
    example: 'https://login.example.com/oauth2/revoke',
  }),
  key('client', 'api_url', {
    description: 'Base URL of the API: paths given to the API are relative to it. Default: <instance>/api/.',
    example: 'https://api.example.com/v1/',
  }),
  key('client', 'issuer', {
    description:
      'Issuer identifier of the authorization server. Its metadata (RFC 8414, OpenID Connect) give the endpoints that are not set here. It is asked at every login, at a seed, and by a refresh if it has not been asked before; the store keeps its answer.',
    example: 'https://login.example.com/',
  }),
  key('client', 'scope', {
    description: 'Scopes to ask for, separated by spaces.',
    example: 'openid offline_access',
  }),
  key('client', 'auth_method', {
    description:
      'How the client authenticates at the token endpoint: client_secret_post, client_secret_basic, client_secret_basic_plain (id and secret as they are, for servers that do not decode them), or none for a public client.',
    example: 'client_secret_basic',
    default: 'client_secret_post',
  }),
  key('store', 'path', {
    env: 'HQ_TOKEN_STORE',
    description:
      "SQLite file that keeps the token set. Default: $XDG_STATE_HOME/hq-token/token.db (~/.local/state/hq-token/token.db; %LOCALAPPDATA%\\hq-token\\token.db on Windows), with a profile NAME.db; in HQ_TOKEN_STATE_DIR where that is set. On Windows %NAME% in any path is the variable of that name. Beside url: this host's seat, a file that keeps what only this host needs; its default ends in .seat instead of .db.",
    example: '/var/lib/hq-token/token.db',
  }),
  key('store', 'url', {
    env: 'HQ_TOKEN_STORE_URL',
    description:
      'URL of a PostgreSQL database that keeps the token set for many hosts: see below for its parts, and for the PG* variables that count where it leaves something out.',
    example: 'postgres://hq_token@db.example.com/hq_token',
    isSecret: /:\/\/[^@]*:.*@/s,
  }),
  key('store', 'name', {
    env: 'HQ_TOKEN_STORE_NAME',
    description:
      'Name of the token set in that database: letters, digits, dots, _ and -, at most 64. Default: the name of the profile, or default without one.',
    example: 'acme',
  }),
  key('store', 'url_password_file', {
    env: 'HQ_TOKEN_STORE_URL_PASSWORD_FILE',
    description:
      'File that holds the password for url and nothing else; read for each connection. At most one of url_password_file, url_password_command and a password in url.',
    example: 'store-password',
  }),
  key('store', 'url_password_command', {
    env: 'HQ_TOKEN_STORE_URL_PASSWORD_COMMAND',
    description:
      'Shell command that prints the password for url. Run in the folder of the config file for each connection, if the server asks for a password, for at most 10 seconds: it may print a token that ends soon.',
    example: 'pass show highq/store-password',
  }),
  key('store', 'lease', {
    env: 'HQ_TOKEN_STORE_LEASE',
    description:
      'How long the other hosts wait for a host that has begun a refresh and gives no sign of life; from 10s to 10m. lock_wait must be at least 10 seconds longer.',
    example: '60s',
    default: '20s',
  }),
  key('store', 'recheck', {
    env: 'HQ_TOKEN_STORE_RECHECK',
    description:
      'How long a host hands out its copy of the access token before it looks into the database again; at most 1h, and 0 looks each time.',
    example: '5m',
    default: '60s',
  }),
  key('store', 'encryption_key_file', {
    description: 'File that holds the key to seal the store with.',
    example: 'store.key',
    supported: false,
  }),
  key('store', 'encryption_key_command', {
    description: 'Shell command that prints the key to seal the store with.',
    example: 'pass show highq/store-key',
    supported: false,
  }),
  key('seed', 'file', {
    env: 'HQ_TOKEN_SEED_FILE',
    description: 'INI file with a first token set, imported when the store has none.',
    example: 'token.ini',
  }),
  key('refresh', 'early', {
    description:
      'How long before its end an access token is renewed: a share of its lifetime, or a duration of at most one day. If the renewal fails, the token is still served.',
    example: '30m',
    default: '10%',
  }),
  key('refresh', 'min_valid', {
    description:
      'An access token with less life left than this is not handed out: a refresh must succeed first.',
    example: '5m',
    default: '60s',
  }),
  key('refresh', 'timeout', {
    description:
      'Time limit of one request to the token endpoint, from connect to last byte; more than zero, at most one day. If no answer comes, the request is sent once more, for 5 s at most.',
    example: '10s',
    default: '30s',
  }),
  key('refresh', 'lock_wait', {
    description: "How long to wait for another process's refresh; at most one day.",
    example: '2m',
    default: '90s',
  }),
  key('refresh', 'default_lifetime', {
    description: 'Lifetime of an access token where the server does not say; more than zero.',
    example: '30m',
    default: '5h',
  }),
  key('network', 'proxy', {
    description:
      'Proxy for every request except those to this machine itself, with or without a user and a password; the word none means no proxy. Default: HTTPS_PROXY, else ALL_PROXY. NO_PROXY exempts hosts from it.',
    example: 'http://proxy.example.com:3128',
    // A user alone may be a secret too.
    isSecret: /^[^/?#]*(?:\/\/)?[^/?#]*@/,
  }),
  key('network', 'ca_file', {
    description:
      'PEM file of certificate authorities to trust beside those that Node trusts by itself (NODE_EXTRA_CA_CERTS among them), and on Windows and macOS the system’s own.',
    example: 'firm-ca.pem',
  }),
  key('network', 'client_cert_file', {
    description:
      'PEM file with the client certificate, followed by its chain, for servers that ask for one (mutual TLS).',
    example: 'client.pem',
  }),
  key('network', 'client_key_file', {
    description: 'PEM file with the private key of client_cert_file, without a passphrase.',
    example: 'client.key',
  }),
  key('notify', 'command', {
    env: 'HQ_TOKEN_NOTIFY_COMMAND',
    description:
      'Shell command that tells people of trouble with the grant, such as a mail program. It gets a text on standard input and HQ_TOKEN_EVENT_… variables, and no secret; it is run in the folder of the config file.',
    example: 'mail -s "$HQ_TOKEN_EVENT_SUBJECT" ops@example.com',
  }),
  key('notify', 'url', {
    env: 'HQ_TOKEN_NOTIFY_URL',
    description:
      'Address that the same is posted to as JSON, such as an incoming webhook of a chat. At most one of url and url_file.',
    example: 'https://hooks.example.com/services/your_hook',
    isSecret: true,
  }),
  key('notify', 'url_file', {
    env: 'HQ_TOKEN_NOTIFY_URL_FILE',
    description: 'File that holds that address and nothing else; one line end after it is dropped.',
    example: 'notify-url',
  }),
  key('notify', 'failing_for', {
    env: 'HQ_TOKEN_NOTIFY_FAILING_FOR',
    description:
      'How long refreshes must have failed before people are told; at once when the access token is over as well.',
    example: '1h',
    default: '6h',
  }),
  key('notify', 'ending', {
    env: 'HQ_TOKEN_NOTIFY_ENDING',
    description:
      'How long before its end people are told that the refresh token ends, where the server says when; half of its life at most, and 0 for never.',
    example: '30d',
    default: '14d',
  }),
  key('notify', 'remind', {
    env: 'HQ_TOKEN_NOTIFY_REMIND',
    description:
      'How long after the first message the next one follows while the trouble lasts; then after 2, 4, 8, 16 and each 32 times as long. At least 5m; never for one message only.',
    example: '12h',
    default: '1d',
  }),
  key('notify', 'timeout', {
    env: 'HQ_TOKEN_NOTIFY_TIMEOUT',
    description: 'Time limit of the command, and of the request to the address; at most 60s.',
    example: '30s',
    default: '10s',
  }),
] as const

type NameOf<Key> = Key extends { section: infer Section extends string; key: infer Name extends string }
  ? `${Section}.${Name}`
  : never

/** `section.key`. */
export type KeyName = NameOf<(typeof configKeys)[number]>

export function nameOf({ section, key }: (typeof configKeys)[number]): KeyName {
  return `${section}.${key}` as KeyName
}

/** An environment for programs that are started: without the variables that hold a secret of ours. */
export function withoutSecretVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Windows ignores the case of names.
  const known = new Map(configKeys.map((row) => [row.env, row.isSecret]))
  const isKept = ([name, text = '']: [string, string | undefined]): boolean => {
    const isSecret = known.get(process.platform === 'win32' ? name.toUpperCase() : name) ?? false
    return typeof isSecret === 'boolean' ? !isSecret : !isSecret.test(text)
  }
  return Object.fromEntries(Object.entries(env).filter(isKept))
}

/** Keys that only a login or a logout needs: a wrong one costs no script its token. */
export const personKeys = [
  'client.redirect_uri',
  'client.authorize_url',
  'client.revocation_url',
  'client.scope',
] as const satisfies readonly KeyName[]

export type PersonKey = (typeof personKeys)[number]

export function isPersonKey(name: string): name is PersonKey {
  return (personKeys as readonly string[]).includes(name)
}
