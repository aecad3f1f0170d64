// Tells from the catalog whose tables the schema `hq_token` has, and whether this user may see the profile's row. Needs
// no right, and changes nothing.
import { StoreUnusable } from '../../core/errors.js'
import type { Queries } from './queries.js'

/** The columns of each table since the first version: a later one only adds to them. */
export const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  meta: ['one', 'id', 'version', 'compatible'],
  grants: [
    ...['name', 'generation', 'sequence', 'token_set', 'login', 'discovered', 'timeline', 'found_timeline'],
    ...['found_at', 'lease_seat', 'lease_host', 'lease_term', 'lease_beat', 'lease_ms', 'lease_at'],
  ],
  answers: ['name', 'digest', 'generation', 'attempt', 'seat', 'record', 'kept_at'],
  history: ['name', 'sequence', 'entry', 'host'],
  notice: [
    'name',
    'kind',
    'since',
    'told',
    'told_at',
    'due_at',
    'claimed_at',
    'tries',
    'failed_at',
    'failure',
  ],
}

/**
 * `$1` is the profile's name. Only the policy that `doctor --sql` prints is judged, because nobody knows what another
 * one hides.
 */
const SCAN = `
SELECT current_user::text AS "user", pg_catalog.current_setting('server_encoding') AS encoding,
       (SELECT pg_catalog.json_object_agg(c.relname, ARRAY(
                 SELECT a.attname::text FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'hq_token'::name)::text AS found,
       EXISTS (
         SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'hq_token'::name AND c.relname = 'grants'::name AND pg_catalog.row_security_active(c.oid)
            AND current_user::text <> $1::text
            AND EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'own')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polname <> 'own')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
                             WHERE r.rolname = 'hq_token_all' AND pg_catalog.pg_has_role(r.oid, 'MEMBER'))
       ) AS hides`

export interface Tables {
  /** Whether there is none of them: a migration makes them. */
  readonly areMissing: boolean
  /** Why the schema, or the database, cannot have a registry. */
  readonly unfit: StoreUnusable | undefined
  /** Why this user never sees the profile's row. */
  readonly hidden: StoreUnusable | undefined
}

/** @param where The store's name, for messages. */
export async function scanTables(queries: Queries, row: string, where: string): Promise<Tables> {
  const [found = {}] = (await queries.query(SCAN, [row])).rows
  const columns = new Map(
    Object.entries(
      JSON.parse((found['found'] as string | null) ?? '{}') as Record<string, readonly string[]>,
    ),
  )
  const names = Object.keys(COLUMNS)
  const there = names.filter((name) => columns.has(name))
  const own = there.filter((name) => COLUMNS[name]?.every((column) => columns.get(name)?.includes(column)))
  const areMissing = there.length === 0
  const isUtf8 = found['encoding'] === 'UTF8'
  return {
    areMissing,
    unfit: areMissing
      ? isUtf8
        ? undefined
        : wrongEncoding(where, String(found['encoding']))
      : unfitSchema(where, { names, there, own }),
    hidden: found['hides'] === true ? hiddenRow(where, String(found['user'])) : undefined,
  }
}

function wrongEncoding(where: string, encoding: string): StoreUnusable {
  return new StoreUnusable(`${where}: the encoding of the database is ${encoding}, and must be UTF8`, {
    hint: "make another database and name it in [store] url: CREATE DATABASE hq_token TEMPLATE template0 ENCODING 'UTF8';",
  })
}

/** @param tables Names: `there` has any table of that name, and `own` one with our columns. */
function unfitSchema(
  where: string,
  { names, there, own }: Readonly<Record<'names' | 'there' | 'own', readonly string[]>>,
): StoreUnusable | undefined {
  if (own.length === names.length) return undefined
  if (own.length === 0)
    return new StoreUnusable(
      `${where}: the schema hq_token in this database is not hq-token’s (other columns: ${listed(there)})`,
      { hint: 'name another database in [store] url: hq-token shares this schema with no other program' },
    )
  const lacking = names.filter((name) => !own.includes(name))
  return new StoreUnusable(
    `${where}: the schema hq_token is half-made (missing or changed: ${listed(lacking)})`,
    {
      hint: 'restore it from a backup; or, where its token sets may be lost, let its owner run: DROP SCHEMA hq_token CASCADE; then: hq-token login',
    },
  )
}

function listed(names: readonly string[]): string {
  return names.map((name) => `hq_token.${name}`).join(', ')
}

function hiddenRow(where: string, user: string): StoreUnusable {
  return new StoreUnusable(`${where}: the database shows ${user} the row of its own name only`, {
    hint: `set name = ${user} in [store]; or let the owner of the database run: GRANT hq_token_all TO ${identifier(user)};`,
  })
}

/** A name as SQL takes it. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
