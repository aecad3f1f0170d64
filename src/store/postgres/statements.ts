// The registry's statements. Each is a transaction of its own under READ COMMITTED, where an UPDATE that waited for
// another looks at its conditions again: compare and set. `$1` is the profile's name. Functions are named with their
// schema, and literals beside an operator with their type: whoever may create in a schema of the search path could else
// put an operator or a function of his own in the way, which would be shown the tokens.
import { NEVER } from '../../core/alerts.js'
import { HISTORY_ENTRIES } from './schema.js'

/** The database's timeline, which a promoted replica raises. A replica refuses to name it. */
const TIMELINE = 'pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)'

/** A bigint as float8, because a client reads a bigint as text. All of ours are below 2^53. */
const ROW = `
  g.generation::float8, g.sequence::float8, g.token_set, g.login, g.discovered, g.timeline,
  g.found_timeline, extract(epoch FROM g.found_at)::float8 AS found_at,
  g.lease_seat, g.lease_host, g.lease_term::float8, g.lease_beat::float8, g.lease_ms,
  extract(epoch FROM g.lease_at)::float8 AS lease_at,
  m.id AS registry_id, m.version, m.compatible,
  extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS now,
  CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN ${TIMELINE} END AS timeline_now,
  pg_catalog.current_setting('synchronous_standby_names') <> ''::text
    AND pg_catalog.current_setting('synchronous_commit') NOT IN ('off'::text, 'local'::text) AS is_synchronous,
  extract(epoch FROM pg_catalog.pg_postmaster_start_time())::float8 AS started_at`

export const LOOK = `
SELECT ${ROW}
  FROM hq_token.meta m LEFT JOIN hq_token.grants g ON g.name = $1`

export const MAKE = 'INSERT INTO hq_token.grants (name) VALUES ($1) ON CONFLICT DO NOTHING'

export const TAKE = `
UPDATE hq_token.grants g
   SET lease_seat = $4, lease_host = $5, lease_ms = $6, lease_term = lease_term + 1, lease_beat = lease_beat + 1,
       lease_at = pg_catalog.clock_timestamp(), found_timeline = ${TIMELINE},
       found_at = CASE WHEN found_timeline = ${TIMELINE} THEN least(found_at, pg_catalog.clock_timestamp())
                       ELSE pg_catalog.clock_timestamp() END
  FROM hq_token.meta m
 WHERE g.name = $1 AND g.lease_term = $2 AND g.lease_beat = $3
RETURNING ${ROW}`

/** Every write of the holder's is a sign of life. */
const BEATS = 'lease_beat = lease_beat + 1, lease_at = pg_catalog.clock_timestamp()'

export const BEAT = `
UPDATE hq_token.grants SET ${BEATS} WHERE name = $1 AND lease_term = $2 AND lease_seat = $3`

export const RELEASE = `
UPDATE hq_token.grants SET lease_seat = NULL, ${BEATS} WHERE name = $1 AND lease_term = $2 AND lease_seat = $3`

export const SAVE_LOGIN = `
UPDATE hq_token.grants SET login = $4::jsonb, ${BEATS} WHERE name = $1 AND lease_term = $2 AND lease_seat = $3`

export const PIN = `
UPDATE hq_token.grants SET discovered = $4::jsonb, ${BEATS} WHERE name = $1 AND lease_term = $2 AND lease_seat = $3`

/**
 * A condition that is met, and makes the commit wait for the disk where the database does not (`synchronous_commit =
 * off`): else its crash could bring back a token that is spent.
 */
const DURABLE = `
  CASE WHEN pg_catalog.current_setting('synchronous_commit') = 'off'::text
       THEN pg_catalog.set_config('synchronous_commit', 'local', true) <> ''::text ELSE true END`

/**
 * Changes the row, and tells it in the history if the row met the condition. `$2` is the entry's sequence, `$3` the
 * entry, or NULL for none, and `$4` the host.
 */
const told = (update: string): string => `
WITH saved AS (${update} AND ${DURABLE}
  RETURNING name
), told AS (
  INSERT INTO hq_token.history (name, sequence, entry, host)
  SELECT name, $2::bigint, $3::jsonb, $4 FROM saved WHERE $3::jsonb IS NOT NULL
  ON CONFLICT (name, sequence) DO UPDATE SET entry = excluded.entry, host = excluded.host
), cut AS (
  DELETE FROM hq_token.history h USING saved
   WHERE h.name = saved.name AND h.sequence <= $2::bigint - ${HISTORY_ENTRIES}
)`

/** The sequence never falls: a note that was given up may still be on its way when a later one has come. */
export const NOTE = `${told(`
  UPDATE hq_token.grants
     SET generation = $8, sequence = $9, token_set = coalesce(token_set, '{}') || $10::jsonb,
         timeline = CASE WHEN generation = $8 THEN timeline ELSE ${TIMELINE} END,
         ${BEATS}
   WHERE name = $1 AND lease_term = $5 AND lease_seat = $6 AND generation = $7 AND sequence <= $9`)}
SELECT FROM saved`

/**
 * A lease that is another's by now ends here: its holder has begun on a generation that is over, and must look
 * again. The answers to the generation that was spent stay, because one of them may hold a pair that came second.
 */
export const LAND = `${told(`
  UPDATE hq_token.grants
     SET generation = $6, sequence = greatest(sequence, $7), token_set = coalesce(token_set, '{}') || $8::jsonb,
         timeline = ${TIMELINE}, lease_seat = NULL, ${BEATS}
   WHERE name = $1 AND generation = $5
     AND (token_set IS NOT NULL) = $9 AND token_set ->> 'grant_id'::text IS NOT DISTINCT FROM $10`)},
dropped AS (
  DELETE FROM hq_token.answers a USING saved WHERE a.name = saved.name AND a.generation < $6::bigint - 1
)
SELECT FROM saved`

export const FORGET = `${told(`
  UPDATE hq_token.grants
     SET generation = generation + 1, sequence = greatest(sequence, $2), login = NULL,
         token_set = CASE WHEN token_set ? 'move'::text THEN token_set - 'moving'::text END,
         timeline = ${TIMELINE}, ${BEATS}
   WHERE name = $1 AND lease_term = $5 AND lease_seat = $6 AND generation = $7`)},
dropped AS (
  DELETE FROM hq_token.answers a USING saved WHERE a.name = saved.name
)
SELECT FROM saved`

/** The set in a row, also in one that a move has closed. */
const SET = "(CASE WHEN token_set ? 'move'::text THEN token_set -> 'moving'::text ELSE token_set END)"

/**
 * The columns of the set go one level down, where a program that knows of no moves misses them and refuses the row. The
 * grant's new id in their place keeps a late pair of the old grant from landing.
 */
export const CLOSE = `${told(`
  UPDATE hq_token.grants
     SET sequence = greatest(sequence, $2), ${BEATS},
         token_set = pg_catalog.jsonb_build_object('move', $8::jsonb, 'grant_id', $8::jsonb -> 'grant'::text)
           || CASE WHEN ${SET} IS NULL THEN '{}' ELSE pg_catalog.jsonb_build_object('moving', ${SET}) END
   WHERE name = $1 AND generation = $7 AND lease_term = $5 AND lease_seat = $6`)}
SELECT FROM saved`

export const REOPEN = `
UPDATE hq_token.grants SET token_set = ${SET}, ${BEATS}
 WHERE name = $1 AND lease_term = $2 AND lease_seat = $3 AND generation = $4 AND ${DURABLE}`

/** `$8` is the history: an array of an entry each, with its sequence and its host. */
export const RECEIVE = `
WITH saved AS (
  UPDATE hq_token.grants
     SET generation = $5, sequence = $6, token_set = $7::jsonb,
         timeline = ${TIMELINE}, ${BEATS}
   WHERE name = $1 AND lease_term = $2 AND lease_seat = $3 AND generation = $4 AND ${DURABLE}
  RETURNING name
), told AS (
  INSERT INTO hq_token.history (name, sequence, entry, host)
  SELECT name, (one ->> 'sequence'::text)::bigint, one -> 'entry'::text, one ->> 'host'::text
    FROM saved, pg_catalog.jsonb_array_elements($8::jsonb) one
  ON CONFLICT (name, sequence) DO UPDATE SET entry = excluded.entry, host = excluded.host
), cut AS (
  DELETE FROM hq_token.history h USING saved WHERE h.name = saved.name AND h.sequence <= $6::bigint - ${HISTORY_ENTRIES}
)
SELECT FROM saved`

export const HISTORY = 'SELECT entry, host FROM hq_token.history WHERE name = $1 ORDER BY sequence DESC'

/** A row of nulls where nobody was told of anything yet. */
export const ALERTS = `
SELECT n.kind, n.since::float8, n.told::float8, n.told_at::float8, n.due_at::float8, n.claimed_at::float8,
       n.tries::float8, n.failed_at::float8, n.failure, extract(epoch FROM pg_catalog.clock_timestamp())::float8 AS now
  FROM hq_token.meta m LEFT JOIN hq_token.notice n ON n.name = $1`

/** A record that cannot be read, as `fromAlertRows` says, counts as idle: any change replaces it. */
const UNREADABLE = ['since', 'told', 'told_at', 'due_at', 'claimed_at', 'tries', 'failed_at']
  .map((column) => `notice.${column} NOT BETWEEN 0::bigint AND ${NEVER}::bigint`)
  .join(' OR ')

/** The values of a record: `$2` to `$10` as they become, `$11` to `$18` as they must stand (without the kind). */
export const SAVE_ALERT = `
INSERT INTO hq_token.notice (name, kind, since, told, told_at, due_at, claimed_at, tries, failed_at, failure)
SELECT $1::text, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::text
 WHERE ${DURABLE}
    ON CONFLICT (name, kind) DO UPDATE
   SET since = excluded.since, told = excluded.told, told_at = excluded.told_at, due_at = excluded.due_at,
       claimed_at = excluded.claimed_at, tries = excluded.tries, failed_at = excluded.failed_at,
       failure = excluded.failure
 WHERE ${UNREADABLE}
    OR notice.since = $11 AND notice.told = $12 AND notice.told_at IS NOT DISTINCT FROM $13 AND notice.due_at = $14
   AND notice.claimed_at IS NOT DISTINCT FROM $15 AND notice.tries = $16
   AND notice.failed_at IS NOT DISTINCT FROM $17 AND notice.failure IS NOT DISTINCT FROM $18`

export const KEEP = `
INSERT INTO hq_token.answers (name, generation, attempt, seat, record)
SELECT $1::text, $2::bigint, $3::bigint, $4::uuid, $5::bytea WHERE ${DURABLE}
ON CONFLICT DO NOTHING`

export const ANSWERS = `
SELECT generation::float8, attempt::float8, seat, record
  FROM hq_token.answers WHERE name = $1 ORDER BY kept_at, attempt`

export const DROP = `
DELETE FROM hq_token.answers a USING hq_token.grants g
 WHERE a.name = $1 AND g.name = a.name AND g.generation >= $3 AND pg_catalog.encode(a.digest, 'hex'::text) = ANY ($2::text[])`
