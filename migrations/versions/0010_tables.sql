-- The tables of a region's catalog, run by 0010_catalog.py. storage/catalog/tables/ says what the
-- columns mean.

-- The catalog itself

CREATE TABLE catalog_info (
  id smallint PRIMARY KEY,
  region text NOT NULL,
  catalog_id uuid NOT NULL,
  oldest_code integer NOT NULL,
  newest_code integer NOT NULL,
  identity text,
  unread text[] NOT NULL DEFAULT '{}',
  CONSTRAINT catalog_info_one_row CHECK (id = 1)
);

CREATE TABLE pseudonym_key (
  version smallint PRIMARY KEY,
  check_value bytea NOT NULL
);

CREATE TABLE signing_key (
  kid text PRIMARY KEY,
  public_key bytea NOT NULL,
  first_signed timestamptz NOT NULL,
  last_signed timestamptz NOT NULL
);

-- Tenants

CREATE TABLE tenant (
  id text PRIMARY KEY,
  account text NOT NULL,
  home text NOT NULL,
  residency text NOT NULL,
  service text NOT NULL,
  dedicated boolean NOT NULL,
  retention jsonb NOT NULL,
  version integer NOT NULL,
  created timestamptz NOT NULL
);
CREATE INDEX tenant_account ON tenant (account);

CREATE TABLE agreement (
  tenant text REFERENCES tenant (id),
  kind text,
  signed date,
  until date,
  PRIMARY KEY (tenant, kind, signed)
);

CREATE TABLE directory (
  id text PRIMARY KEY,
  account text NOT NULL,
  home text NOT NULL
);
CREATE INDEX directory_account ON directory (account);

-- Objects on backends

CREATE TABLE object (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  state text NOT NULL,
  day date,
  tenant text,
  backends text[] NOT NULL,
  size bigint,
  digest bytea,
  announced timestamptz NOT NULL,
  deadline timestamptz NOT NULL,
  family uuid NOT NULL,
  compact_at timestamptz,
  replicate_at timestamptz,
  gone_at timestamptz,
  number bigint,
  CONSTRAINT object_kind CHECK (
    kind IN ('pack', 'day_key', 'file_key', 'canary', 'ledger', 'held', 'hold_key')
  ),
  CONSTRAINT object_number CHECK ((kind = 'ledger') = (number IS NOT NULL)),
  CONSTRAINT object_state CHECK (state IN ('writing', 'stored', 'purging', 'gone'))
);
CREATE INDEX object_writing ON object (deadline) WHERE state = 'writing';
CREATE INDEX object_day ON object (day, kind);
CREATE INDEX object_family ON object (family);
CREATE INDEX object_compact ON object (compact_at) WHERE compact_at IS NOT NULL;
CREATE INDEX object_replicate ON object (replicate_at) WHERE replicate_at IS NOT NULL;
CREATE INDEX object_file_key ON object (announced) WHERE kind = 'file_key';
CREATE INDEX object_number ON object (number) WHERE number IS NOT NULL;
CREATE INDEX object_held ON object (tenant) WHERE kind IN ('held', 'hold_key');
CREATE INDEX object_gone ON object (gone_at) WHERE gone_at IS NOT NULL;

CREATE TABLE replica (
  id uuid PRIMARY KEY,
  object_id uuid NOT NULL REFERENCES object (id) ON DELETE CASCADE,
  backend text NOT NULL,
  key text COLLATE "C" NOT NULL UNIQUE,
  state text NOT NULL,
  land_by timestamptz NOT NULL,
  next_attempt timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  purging_since timestamptz,
  gone_at timestamptz,
  how text,
  sub_processor text,
  seen text[],
  attested text[],
  CONSTRAINT replica_state CHECK (state IN ('writing', 'stored', 'purging', 'gone'))
);
CREATE INDEX replica_object ON replica (object_id);
CREATE INDEX replica_listing ON replica (backend, key);
CREATE INDEX replica_purge ON replica (next_attempt) WHERE state = 'purging';
CREATE INDEX replica_gone ON replica (gone_at) WHERE state = 'gone';

CREATE TABLE scrub (
  backend text PRIMARY KEY,
  due timestamptz NOT NULL,
  started timestamptz,
  after text NOT NULL,
  seed bytea NOT NULL,
  share double precision NOT NULL,
  tally jsonb NOT NULL,
  lease timestamptz,
  finished timestamptz,
  unmended integer NOT NULL
);

CREATE TABLE stray (
  backend text,
  key text COLLATE "C",
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  PRIMARY KEY (backend, key)
);

-- Days and records

CREATE TABLE day (
  day date PRIMARY KEY,
  state text NOT NULL,
  expiring_at timestamptz,
  dropped_at timestamptz,
  next_attempt timestamptz,
  holds bigint,
  CONSTRAINT day_state CHECK (state IN ('open', 'expiring', 'dropped'))
);

CREATE TABLE day_key (
  object_id uuid PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
  day date NOT NULL,
  shard smallint NOT NULL,
  tenant text NOT NULL,
  ready boolean NOT NULL
);
CREATE UNIQUE INDEX day_key_ready ON day_key (day, shard, tenant) WHERE ready;

CREATE TABLE record (
  expiry_day date NOT NULL,
  tenant text NOT NULL,
  uid bytea NOT NULL,
  data_class text NOT NULL,
  born text NOT NULL,
  minted timestamptz NOT NULL,
  origin timestamptz NOT NULL,
  written timestamptz NOT NULL,
  subject bytea,
  grp bytea,
  ancestors bytea[],
  object_id uuid NOT NULL,
  start bigint NOT NULL,
  length bigint NOT NULL,
  size bigint NOT NULL,
  streamed boolean NOT NULL,
  incomplete boolean NOT NULL,
  key_id uuid NOT NULL,
  wrapped_key bytea NOT NULL,
  sealed_metadata bytea,
  fingerprint bytea NOT NULL,
  PRIMARY KEY (expiry_day, tenant, uid)
) PARTITION BY LIST (expiry_day);
CREATE INDEX record_object ON record (object_id);
CREATE INDEX record_tenant ON record (tenant, minted, uid);
CREATE INDEX record_subject ON record (tenant, subject) WHERE subject IS NOT NULL;
CREATE INDEX record_grp ON record (tenant, grp) WHERE grp IS NOT NULL;
CREATE INDEX record_ancestors ON record USING gin (ancestors) WHERE ancestors IS NOT NULL;

CREATE TABLE held (
  expiry_day date NOT NULL,
  tenant text NOT NULL,
  uid bytea NOT NULL,
  data_class text NOT NULL,
  born text NOT NULL,
  minted timestamptz NOT NULL,
  origin timestamptz NOT NULL,
  written timestamptz NOT NULL,
  subject bytea,
  grp bytea,
  ancestors bytea[],
  object_id uuid NOT NULL,
  start bigint NOT NULL,
  length bigint NOT NULL,
  size bigint NOT NULL,
  streamed boolean NOT NULL,
  incomplete boolean NOT NULL,
  key_id uuid NOT NULL,
  wrapped_key bytea NOT NULL,
  sealed_metadata bytea,
  fingerprint bytea NOT NULL,
  PRIMARY KEY (expiry_day, tenant, uid)
);
CREATE INDEX held_object ON held (object_id);
CREATE INDEX held_key ON held (key_id);
CREATE INDEX held_tenant ON held (tenant, minted, uid);
CREATE INDEX held_subject ON held (tenant, subject) WHERE subject IS NOT NULL;
CREATE INDEX held_grp ON held (tenant, grp) WHERE grp IS NOT NULL;
CREATE INDEX held_ancestors ON held USING gin (ancestors) WHERE ancestors IS NOT NULL;

CREATE TABLE file (
  tenant text NOT NULL,
  uid bytea NOT NULL,
  data_class text NOT NULL,
  born text NOT NULL,
  minted timestamptz NOT NULL,
  origin timestamptz NOT NULL,
  written timestamptz NOT NULL,
  subject bytea,
  grp bytea,
  ancestors bytea[],
  object_id uuid NOT NULL,
  start bigint NOT NULL,
  length bigint NOT NULL,
  size bigint NOT NULL,
  streamed boolean NOT NULL,
  incomplete boolean NOT NULL,
  key_id uuid NOT NULL,
  wrapped_key bytea NOT NULL,
  sealed_metadata bytea,
  fingerprint bytea NOT NULL,
  PRIMARY KEY (tenant, uid)
);
CREATE INDEX file_object ON file (object_id);
CREATE INDEX file_key ON file (key_id);
CREATE INDEX file_tenant ON file (tenant, minted, uid);
CREATE INDEX file_subject ON file (tenant, subject) WHERE subject IS NOT NULL;
CREATE INDEX file_grp ON file (tenant, grp) WHERE grp IS NOT NULL;
CREATE INDEX file_ancestors ON file USING gin (ancestors) WHERE ancestors IS NOT NULL;

-- Legal holds

CREATE TABLE hold (
  id uuid PRIMARY KEY,
  number bigint NOT NULL UNIQUE,
  tenant text NOT NULL,
  scope text NOT NULL,
  sought bytea[],
  sealed_name bytea,
  classes text[],
  minted_from timestamptz,
  minted_to timestamptz,
  cutoff timestamptz,
  matter text NOT NULL,
  authority text NOT NULL,
  issuer text NOT NULL,
  placed timestamptz NOT NULL,
  review date NOT NULL,
  released timestamptz,
  released_why text,
  resumed timestamptz,
  CONSTRAINT hold_scope CHECK (scope IN ('record', 'subject', 'group', 'tenant'))
);
CREATE INDEX hold_in_force ON hold (tenant) WHERE released IS NULL;
CREATE INDEX hold_to_resume ON hold (released) WHERE released IS NOT NULL AND resumed IS NULL;
CREATE INDEX hold_over ON hold (released) WHERE resumed IS NOT NULL;

CREATE TABLE audit (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  purpose text NOT NULL,
  tenant text NOT NULL,
  hold_id uuid NOT NULL,
  uid bytea NOT NULL
);
CREATE INDEX audit_hold ON audit (hold_id, id);

-- Erasures

CREATE TABLE erasure (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  scope text NOT NULL,
  sought bytea[],
  reason text NOT NULL,
  ticket text,
  state text NOT NULL,
  requested timestamptz NOT NULL,
  cutoff timestamptz NOT NULL,
  awaited boolean NOT NULL DEFAULT false,
  planned timestamptz,
  completed timestamptz,
  deleted bigint NOT NULL DEFAULT 0,
  fenced timestamptz,
  CONSTRAINT erasure_state CHECK (state IN ('fenced', 'deferred', 'purging', 'complete'))
);
CREATE INDEX erasure_open ON erasure (requested) WHERE state <> 'complete';
CREATE INDEX erasure_complete ON erasure (completed) WHERE state = 'complete';
CREATE INDEX erasure_tenant ON erasure (tenant, requested);

CREATE TABLE fence (
  tenant text,
  scope text,
  value bytea,
  erasure_id uuid REFERENCES erasure (id),
  cutoff timestamptz NOT NULL,
  until timestamptz NOT NULL,
  PRIMARY KEY (tenant, scope, value, erasure_id)
);
CREATE INDEX fence_cutoff ON fence (tenant, scope, cutoff);
CREATE INDEX fence_until ON fence (until);
CREATE INDEX fence_erasure ON fence (erasure_id);

CREATE TABLE erasure_object (
  erasure_id uuid REFERENCES erasure (id),
  object_id uuid REFERENCES object (id),
  holds_ranges boolean NOT NULL,
  PRIMARY KEY (erasure_id, object_id)
);
CREATE INDEX erasure_object_object ON erasure_object (object_id);

CREATE TABLE deferral (
  erasure_id uuid REFERENCES erasure (id) ON DELETE CASCADE,
  hold_id uuid REFERENCES hold (id),
  since timestamptz,
  until timestamptz,
  records bigint NOT NULL,
  PRIMARY KEY (erasure_id, hold_id, since)
);
CREATE INDEX deferral_hold ON deferral (hold_id);

CREATE TABLE receipt (
  erasure_id uuid PRIMARY KEY REFERENCES erasure (id),
  token text NOT NULL,
  issued timestamptz NOT NULL
);

-- Copies at processors

CREATE TABLE processor_copy (
  id uuid PRIMARY KEY,
  tenant text NOT NULL,
  uid bytea NOT NULL,
  data_class text NOT NULL,
  expiry_day date,
  origin timestamptz NOT NULL,
  subject bytea,
  grp bytea,
  ancestors bytea[],
  processor text NOT NULL,
  state text NOT NULL,
  announced timestamptz NOT NULL,
  land_by timestamptz NOT NULL,
  deadline timestamptz NOT NULL,
  lead interval NOT NULL,
  next_attempt timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  requested timestamptz,
  acknowledged timestamptz,
  how text,
  digest bytea,
  actor text,
  CONSTRAINT processor_copy_state CHECK (
    state IN ('announced', 'delivered', 'requested', 'confirmed')
  ),
  CONSTRAINT processor_copy_how CHECK (how IN ('acknowledged', 'attested')),
  CONSTRAINT processor_copy_confirmed CHECK (
    CASE WHEN state = 'confirmed'
      THEN num_nulls(acknowledged, how, digest) = 0 AND next_attempt IS NULL
      ELSE acknowledged IS NULL AND next_attempt IS NOT NULL
    END
  )
);
CREATE INDEX processor_copy_due ON processor_copy (next_attempt) WHERE state <> 'confirmed';
CREATE INDEX processor_copy_open ON processor_copy (processor, deadline)
  WHERE state <> 'confirmed';
CREATE INDEX processor_copy_tenant ON processor_copy (tenant);
CREATE INDEX processor_copy_over ON processor_copy (id) WHERE state = 'confirmed';

CREATE TABLE erasure_copy (
  erasure_id uuid REFERENCES erasure (id) ON DELETE CASCADE,
  copy_id uuid REFERENCES processor_copy (id),
  PRIMARY KEY (erasure_id, copy_id)
);
CREATE INDEX erasure_copy_copy ON erasure_copy (copy_id);
