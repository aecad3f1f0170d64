// The breaks of the registry in PostgreSQL (`src/store/postgres`): see breaks-table.js.
import { tests } from './tests.js'

const STATEMENTS = 'src/store/postgres/statements.ts'
const SCHEMA = 'src/store/postgres/schema.ts'
const REGISTRY = 'src/store/postgres/postgres-registry.ts'

export default [
  {
    name: 'registry: a lease is taken although its holder lives',
    file: STATEMENTS,
    find: 'g.lease_beat = $3',
    replace: 'g.lease_beat >= 0 * $3::bigint',
    by: tests('store/postgres/registry', 'sign of life since'),
  },
  {
    name: 'registry: a lease is taken by all who saw it',
    file: STATEMENTS,
    find: 'AND g.lease_term = $2 AND g.lease_beat = $3',
    replace: 'AND $2::bigint + $3::bigint >= 0',
    by: tests('store/postgres/registry', 'one of many hosts'),
  },
  {
    name: 'registry: a note under any generation',
    file: STATEMENTS,
    find: 'generation = $7`)}\nSELECT',
    replace: '$7::bigint > 0`)}\nSELECT',
    by: tests('store/postgres/registry', 'note changes nothing'),
  },
  {
    name: 'registry: a note of a seat that has lost the lease',
    file: STATEMENTS,
    find: 'lease_term = $5 AND lease_seat = $6 AND generation = $7`)}\nSELECT',
    replace: '$5::bigint > 0 AND $6::uuid IS NOT NULL AND generation = $7`)}\nSELECT',
    by: tests('store/postgres/registry', 'note changes nothing'),
  },
  {
    name: 'registry: an intent hides that the database has failed over',
    file: STATEMENTS,
    find: 'timeline = CASE WHEN generation = $8 THEN timeline ELSE ${TIMELINE} END',
    replace: 'timeline = ${TIMELINE}',
    by: tests('store/postgres/registry', 'saver and timeline when'),
  },
  {
    name: 'registry: a save forgets what a newer version has put into the set',
    file: STATEMENTS,
    find: "coalesce(token_set, '{}') || $10::jsonb",
    replace: '$10::jsonb',
    by: tests('store/postgres/registry', 'newer version has put'),
  },
  {
    name: 'registry: an older life lands on a newer grant',
    file: STATEMENTS,
    find: "token_set ->> 'grant_id' IS NOT DISTINCT FROM $11",
    replace: "($11::text IS NULL OR token_set ->> 'grant_id' IS NOT NULL)",
    by: tests('store/postgres/registry-landing', 'another generation or grant'),
  },
  {
    name: 'registry: a pair lands on a generation that nobody saw',
    file: STATEMENTS,
    find: 'generation = $6\n',
    replace: 'generation <> -$6\n',
    by: tests('store/postgres/registry-landing', 'one of many pairs|another generation'),
  },
  {
    name: 'registry: a lease outlives the generation that it was taken for',
    file: STATEMENTS,
    find: 'saver_seat = $5, lease_seat = NULL, ',
    replace: 'saver_seat = $5, ',
    by: tests('store/postgres/registry-landing', 'ends that lease'),
  },
  {
    name: 'registry: a landing deletes the answers that came second',
    file: STATEMENTS,
    find: 'a.generation < $7 - 1',
    replace: 'a.generation < $7',
    by: tests('store/postgres/registry-landing', 'deletes the answers'),
  },
  {
    name: 'registry: one attempt has one answer',
    file: SCHEMA,
    find: 'PRIMARY KEY (name, digest)',
    replace: 'PRIMARY KEY (name, generation, attempt, seat)',
    by: tests('store/postgres/registry-landing', 'beside each other'),
  },
  {
    name: 'registry: a logout leaves the answers',
    file: STATEMENTS,
    find: 'USING saved WHERE a.name = saved.name\n',
    replace: 'USING saved WHERE a.name > saved.name\n',
    by: tests('store/postgres/registry-landing', 'and no token'),
  },
  {
    name: 'registry: a text that jsonb refuses costs the pair',
    file: REGISTRY,
    find: "value.replace(/[\\0\\p{Surrogate}]/gu, '\\ufffd')",
    replace: 'value',
    by: tests('store/postgres/registry', 'cannot hold as they are'),
  },
  {
    name: 'registry: an error quotes the row',
    file: REGISTRY,
    find: '/^(22|23|42)/',
    replace: '/^(22|42)/',
    by: tests('store/postgres/registry-conditions', 'quotes no token'),
  },
  {
    name: 'registry: an older program goes on with a schema that is not for it',
    file: REGISTRY,
    find: 'if (compatible > SCHEMA_VERSION)',
    replace: 'if (compatible > SCHEMA_VERSION + 1)',
    by: tests('store/postgres/registry', 'cannot use'),
  },
  {
    name: 'registry: migrations do not wait for each other',
    file: SCHEMA,
    find: 'PERFORM pg_advisory_xact_lock(7525227, 1);',
    replace: 'NULL;',
    by: tests('store/postgres/schema', 'ten processes'),
  },
  {
    name: 'registry: an update of a row moves it to another page',
    file: SCHEMA,
    find: ' WITH (fillfactor = 50)',
    replace: '',
    by: tests('store/postgres/registry-conditions', 'in its page'),
  },
  {
    name: 'registry: row-level security shows every profile',
    file: SCHEMA,
    find: "USING (name = current_user OR pg_has_role(current_user, 'hq_token_all', 'MEMBER'))",
    replace: 'USING (true)',
    by: tests('store/postgres/schema', 'its own name only'),
  },
  {
    name: 'registry: the role may delete a profile',
    file: SCHEMA,
    find: 'GRANT SELECT, INSERT, UPDATE ON hq_token.grants',
    replace: 'GRANT ALL ON hq_token.grants',
    by: tests('store/postgres/schema', 'no right that'),
  },
]
