// The tables of the registry, the steps between their versions, and the rights on them. Texts of SQL, and how the
// steps are run.
import type { Queries } from './queries.js'

/** Entries of the history that stay. */
export const HISTORY_ENTRIES = 512

/** The SQLSTATE by which a migration says why a database cannot have a registry. */
export const UNFIT_DATABASE = 'HQ001'

/**
 * The migrations: step n brings a registry from version n to n + 1. A step only adds tables, or columns that may be
 * NULL, because programs of both versions use the registry at once while a fleet is updated. A step that older
 * programs cannot live with raises `meta.compatible`, the least version of a program that may use the registry.
 */
const MIGRATIONS: readonly string[] = [
  `
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'the encoding of the database is %, and must be UTF8', current_setting('server_encoding')
      USING ERRCODE = '${UNFIT_DATABASE}';
  END IF;
  -- CREATE SCHEMA IF NOT EXISTS asks for the right to create also where the owner has made the schema.
  IF to_regnamespace('hq_token') IS NULL THEN
    CREATE SCHEMA hq_token;
  END IF;
  REVOKE ALL ON SCHEMA hq_token FROM PUBLIC;

  CREATE TABLE hq_token.meta (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),  -- names this registry
    version    int NOT NULL,                             -- of the schema
    compatible int NOT NULL                              -- the least version of a program that may use it
  );
  INSERT INTO hq_token.meta (version, compatible) VALUES (1, 1);

  -- One row for each profile. Half of each page stays free, so that the many small updates stay in the page and
  -- touch no index.
  CREATE TABLE hq_token.grants (
    name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    generation bigint NOT NULL DEFAULT 0 CHECK (generation >= 0),  -- never falls, and outlives a logout
    sequence   bigint NOT NULL DEFAULT 0,
    token_set  jsonb,                             -- NULL: none. Keys of a newer version stay when an older one saves
    login      jsonb,                             -- the login that waits for its answer
    discovered jsonb,                             -- the endpoints as last discovered
    timeline   text,                              -- of the database when the generation was last raised
    found_timeline text,                          -- of the database when the lease was last taken
    found_at   timestamptz,                       -- when a holder first found it on that timeline
    lease_seat uuid,                              -- who holds the lease; NULL: nobody
    lease_host text,
    lease_term bigint NOT NULL DEFAULT 0,         -- rises with every holder
    lease_beat bigint NOT NULL DEFAULT 0,         -- rises with every sign of life
    lease_ms   int NOT NULL DEFAULT 0,            -- the length of the lease, as the holder promised it
    lease_at   timestamptz                        -- the last sign of life; for people, nothing is decided by it
  ) WITH (fillfactor = 50);

  -- Answers of the authorization server, put here before anybody reads them.
  CREATE TABLE hq_token.answers (
    name       text NOT NULL REFERENCES hq_token.grants ON DELETE CASCADE,
    digest     bytea NOT NULL GENERATED ALWAYS AS (sha256(record)) STORED,
    generation bigint NOT NULL,                   -- that was spent
    attempt    bigint NOT NULL,
    seat       uuid NOT NULL,
    record     bytea NOT NULL,
    kept_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, digest)
  );

  CREATE TABLE hq_token.history (
    name     text NOT NULL REFERENCES hq_token.grants ON DELETE CASCADE,
    sequence bigint NOT NULL,
    entry    jsonb NOT NULL,
    host     text,
    PRIMARY KEY (name, sequence)
  );

  -- What people are to be told, and which host does it. Instants are epoch seconds in the database's time.
  CREATE TABLE hq_token.notice (
    name       text NOT NULL REFERENCES hq_token.grants ON DELETE CASCADE,
    kind       text NOT NULL,
    since      bigint NOT NULL,
    told       bigint NOT NULL,                   -- how often
    told_at    bigint,
    due_at     bigint NOT NULL,
    claimed_at bigint,
    tries      bigint NOT NULL DEFAULT 0,         -- in a row that failed
    failed_at  bigint,
    failure    text,
    PRIMARY KEY (name, kind)
  );
  `,
]

/** The newest version, which this program makes. */
export const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Each step is one statement, so that it is one transaction for every client, behind pgbouncer too. Of processes that
 * migrate at once, each waits for the lock and finds the step done.
 */
const STEPS = MIGRATIONS.map(
  (step, version) => `DO $migration$
DECLARE
  found_version int := 0;
BEGIN
  -- Nothing of a schema in which others may create.
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  PERFORM pg_catalog.pg_advisory_xact_lock(7525227, 1);
  IF to_regclass('hq_token.meta') IS NOT NULL THEN
    SELECT version INTO found_version FROM hq_token.meta;
  END IF;
  IF found_version > ${version} THEN
    RETURN;
  END IF;
${step.trimEnd()}

  UPDATE hq_token.meta SET version = ${version + 1};
END
$migration$;
`,
)

/**
 * Brings the registry to the newest version. Changes nothing where it has that, or a later one.
 *
 * @throws {StoreUnusable} the user may not create it: the owner of the database can, by `migrationSql`
 */
export async function migrate(queries: Queries): Promise<void> {
  for (const step of STEPS) await queries.query(step)
}

/** The SQL that brings a registry of any version to the newest. The owner runs it in psql. */
export function migrationSql(): string {
  return STEPS.join('\n')
}

/**
 * The role that may do what the program does at run time and no more: no DELETE of a profile, no DDL. The owner runs
 * it after the migrations, and gives the role to the database's users: `GRANT hq_token_keeper TO …`.
 */
export function rolesSql(): string {
  return `${role('hq_token_keeper')}
GRANT USAGE ON SCHEMA hq_token TO hq_token_keeper;
GRANT SELECT ON hq_token.meta TO hq_token_keeper;
GRANT SELECT, INSERT, UPDATE ON hq_token.grants TO hq_token_keeper;
GRANT SELECT, INSERT, DELETE ON hq_token.answers TO hq_token_keeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON hq_token.history, hq_token.notice TO hq_token_keeper;
`
}

/**
 * An option on top of the role: a database user sees the profile of its own name. Members of `hq_token_all` see all.
 * The owner of the tables does, too.
 */
export function rowLevelSecuritySql(): string {
  const tables = ['grants', 'answers', 'history', 'notice'].map(
    (table) => `ALTER TABLE hq_token.${table} ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own ON hq_token.${table};
CREATE POLICY own ON hq_token.${table}
  USING (name = current_user::text OR pg_catalog.pg_has_role(current_user, 'hq_token_all'::name, 'MEMBER'::text));
`,
  )
  return [role('hq_token_all'), ...tables].join('\n')
}

/** All that the owner of a database runs, with what is optional as comments. */
export function ownersSql(): string {
  return `-- The tables of hq-token. Each step does nothing where it was done before.
${migrationSql()}
-- The least rights. Give them to each database user that hq-token logs in as: GRANT hq_token_keeper TO NAME;
${rolesSql()}
-- An option: a database user sees the row of its own name only, and members of hq_token_all see all.
${rowLevelSecuritySql().replace(/^(?=.)/gm, '-- ')}`
}

function role(name: string): string {
  return `DO $role$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') THEN
    CREATE ROLE ${name} NOLOGIN;
  END IF;
END
$role$;
`
}
