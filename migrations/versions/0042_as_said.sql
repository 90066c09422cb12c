-- Rows that stay what people were told, and that every process can read. 0042_as_said.py runs this file
-- with the schema of the catalog in the place of "ours".

-- By these a hold knows what it covers. No code changes them.
CREATE TRIGGER tenant_kept BEFORE UPDATE ON tenant FOR EACH ROW
WHEN ((OLD.id, OLD.account, OLD.home) IS DISTINCT FROM (NEW.id, NEW.account, NEW.home))
EXECUTE FUNCTION refuse_change();

CREATE FUNCTION is_list(given anyarray) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_ndims(given), 1) = 1
    AND (SELECT count(*) = count(e) FROM unnest(given) e)
$$;

-- Whether the values that a scope matches may be those of one record, one subject or one group. A
-- pseudonym begins with the version of its key, and a name has one under each.
CREATE FUNCTION is_as_said(what text, matched bytea[]) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT ours.is_list(matched) AND CASE
    WHEN what = 'record' THEN cardinality(matched) = 1
    WHEN what IN ('subject', 'group') THEN (
      SELECT count(*) = count(DISTINCT substr(m, 1, 1)) FROM unnest(matched) m
    )
    ELSE true
  END
$$;

-- Who approves a grant reads "one subject".
CREATE FUNCTION refuse_wider() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.refuse_grant('wider_than_said');
END $$;
CREATE TRIGGER access_grant_as_said BEFORE INSERT ON access_grant FOR EACH ROW
WHEN (NOT is_as_said(NEW.scope, NEW.sought)) EXECUTE FUNCTION refuse_wider();

-- As in 0021, and nobody confirms a hold that covers more than it says. It keeps that as long as it is in
-- force: refused when it is placed, an entry of the ledger about it could not be replayed.
CREATE OR REPLACE FUNCTION confirm_hold(which uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  mine text := ours.acting_for_hold(ours.present_day(at));
  given ours.hold := ours.lock_hold(which);
BEGIN
  IF mine = given.sponsor OR session_user = given.placed_login THEN
    PERFORM ours.refuse_hold('confirmer_stands_for_it');
  END IF;
  IF NOT ours.is_as_said(given.scope, coalesce(given.sought, '{}')) THEN
    PERFORM ours.refuse_hold('wider_than_said');
  END IF;
  RETURN ours.note_confirmation(which, mine, at);
END $$;

-- The logins of people whose entries are forgotten. A login stays its person's as long as the database
-- has it.
CREATE TABLE former_login (
  login text PRIMARY KEY,
  actor text NOT NULL
);
ALTER TABLE former_login ALTER login SET STATISTICS 0, ALTER actor SET STATISTICS 0;

-- As in 0021, and of entries that are forgotten.
CREATE OR REPLACE FUNCTION person_of_session() RETURNS text LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(
    (SELECT actor FROM ours.roster WHERE login = session_user AND kind <> 'machine' LIMIT 1),
    (SELECT actor FROM ours.former_login WHERE login = session_user)
  )
$$;

-- As in 0032, and the logins of people stay.
CREATE OR REPLACE FUNCTION forget_roster(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('roster', 0));
  WITH ended AS (
    SELECT e.number FROM (
      SELECT number, entered, CASE WHEN suspended THEN entered END AS suspended,
        until::timestamp AT TIME ZONE 'UTC' AS until,
        lead(entered) OVER (PARTITION BY actor ORDER BY number) AS replaced
      FROM ours.roster
    ) e
    WHERE greatest(e.entered, least(e.replaced, e.suspended, e.until))
        < least(before, ours.forgettable_before())
      AND num_nonnulls(e.replaced, e.suspended, e.until) > 0
    ORDER BY e.number LIMIT most
  ), deleted AS (
    DELETE FROM ours.roster r USING ended WHERE r.number = ended.number
    RETURNING r.number, r.actor, r.kind, r.login
  ), kept AS (
    INSERT INTO ours.former_login (login, actor)
    SELECT DISTINCT ON (d.login) d.login, d.actor FROM deleted d
    WHERE d.login IS NOT NULL AND d.kind <> 'machine' ORDER BY d.login, d.number
    ON CONFLICT DO NOTHING
  )
  SELECT count(*) INTO forgotten FROM deleted;
  DELETE FROM ours.former_login f
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname::text = f.login);
  RETURN forgotten;
END $$;

-- As in 0019. A person's own login names only that person, also a former one.
CREATE OR REPLACE FUNCTION use_grant(which uuid, record bytea, who text, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  given ours.access_grant := ours.lock_grant(which);
  asked text[] := ours.traits_for(given.tenant, given.purpose);
BEGIN
  IF who IS DISTINCT FROM given.actor
    OR EXISTS (SELECT FROM ours.roster WHERE login = session_user AND actor <> who)
    OR ours.person_of_session() <> who
  THEN
    PERFORM ours.refuse_grant('another_actor');
  END IF;
  PERFORM ours.check_not_over(given, at);
  PERFORM ours.check_grounds(given.tenant, who, given.hold_id, today);
  IF NOT EXISTS (
    SELECT FROM ours.grant_approval
    WHERE grant_id = which AND NOT for_customer AND actor NOT IN (given.actor, given.requester)
  ) THEN
    PERFORM ours.refuse_grant('not_approved');
  END IF;
  IF (given.customer_must_approve OR ours.customer_must_approve(given.purpose, asked))
    AND NOT EXISTS (SELECT FROM ours.grant_approval WHERE grant_id = which AND for_customer)
  THEN
    PERFORM ours.refuse_grant('customer_has_not_approved');
  END IF;
  IF EXISTS (SELECT FROM ours.grant_use WHERE grant_id = which AND uid = record) THEN
    RETURN false;
  END IF;
  IF (SELECT count(*) FROM ours.grant_use WHERE grant_id = which) >= given.records_max THEN
    PERFORM ours.refuse_grant('exhausted');
  END IF;
  INSERT INTO ours.grant_use VALUES (which, record, session_user, at);
  RETURN true;
END $$;

-- As in 0024. No person's login speaks for a customer, nor a former one.
CREATE OR REPLACE FUNCTION approve_grant_for_customer(
  which uuid, whose text, who text, at timestamptz
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  given ours.access_grant := ours.lock_grant(which);
BEGIN
  IF given.tenant <> whose THEN
    PERFORM ours.refuse_grant('unknown_grant');
  END IF;
  IF ours.person_of_session() IS NOT NULL
    OR EXISTS (SELECT FROM ours.roster r WHERE r.actor = who)
  THEN
    PERFORM ours.refuse_grant('not_the_customer');
  END IF;
  PERFORM ours.check_not_over(given, at);
  INSERT INTO ours.grant_approval (grant_id, actor, login, for_customer, at)
  VALUES (which, who, session_user, true, at) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    PERFORM ours.note_grant('grant_approved', which, at);
  END IF;
END $$;

CREATE FUNCTION is_day(given date) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT given IS NULL OR given BETWEEN '0001-01-01' AND '9999-12-31'
$$;

CREATE FUNCTION is_moment(given timestamptz) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT given IS NULL OR given >= '0001-01-01 00:00+00' AND given < '10000-01-01 00:00+00'
$$;

-- Whether these are classes of data, as DataClass in regions/model.py.
CREATE FUNCTION are_classes(given text[]) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT ours.is_list(given) AND (
    given IS NULL OR given <@ '{prompt,completion,fine_tuning_file,event,flag}'::text[]
  )
$$;

-- Refuse an entry that no process could read, or with the former login of another person.
CREATE FUNCTION check_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (
    SELECT FROM ours.former_login f WHERE f.login = NEW.login AND f.actor <> NEW.actor
  ) THEN
    PERFORM ours.refuse_grant('login_taken');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER roster_login_kept BEFORE INSERT ON roster FOR EACH ROW
EXECUTE FUNCTION check_entry();
CREATE TRIGGER roster_days BEFORE INSERT ON roster FOR EACH ROW
WHEN (NOT (is_day(NEW.since) AND is_day(NEW.until))) EXECUTE FUNCTION refuse_row();

-- Refuse a hold that no process could read: then it could list none.
CREATE FUNCTION check_hold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT (
    ours.is_moment(NEW.placed) AND ours.is_moment(NEW.confirm_by) AND ours.is_moment(NEW.cutoff)
    AND ours.is_moment(NEW.minted_from) AND ours.is_moment(NEW.minted_to)
    AND ours.is_day(NEW.review) AND ours.are_classes(NEW.classes) AND ours.is_list(NEW.sought)
  ) THEN
    RAISE EXCEPTION 'no process can read this hold'
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_readable BEFORE INSERT ON hold FOR EACH ROW EXECUTE FUNCTION check_hold();

CREATE TRIGGER hold_carve_out_readable BEFORE INSERT ON hold_carve_out FOR EACH ROW
WHEN (NOT (
  is_list(NEW.tenants) AND is_list(NEW.accounts) AND are_classes(NEW.classes)
  AND is_moment(NEW.minted_from) AND is_moment(NEW.minted_to)
)) EXECUTE FUNCTION refuse_row();

-- Whether a field of a carve-out is what storage/catalog/hold_changes.py writes.
CREATE FUNCTION is_part(name text, given jsonb) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF name IN ('minted_from', 'minted_to') THEN
    RETURN jsonb_typeof(given) = 'string' AND given #>> '{}' ~ (
      '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
      '([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$'
    );
  ELSIF name IN ('tenants', 'accounts', 'classes') AND jsonb_typeof(given) = 'array' THEN
    RETURN (
      SELECT coalesce(bool_and(jsonb_typeof(e) = 'string'), false)
      FROM jsonb_array_elements(given) e
    );
  END IF;
  RETURN false;
END $$;

-- Whether every process can read what a narrowing is to take out. Who approves it reads that.
CREATE FUNCTION are_carve_outs(parts jsonb) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF jsonb_typeof(parts) <> 'array' OR EXISTS (
    SELECT FROM jsonb_array_elements(parts) p WHERE jsonb_typeof(p) <> 'object' OR p = '{}'
  ) THEN
    RETURN false;
  END IF;
  IF EXISTS (
    SELECT FROM jsonb_array_elements(parts) p, jsonb_each(p) f
    WHERE NOT ours.is_part(f.key, f.value)
  ) THEN
    RETURN false;
  END IF;
  RETURN NOT EXISTS (
    SELECT FROM jsonb_populate_recordset(NULL::ours.hold_carve_out, parts) x
    WHERE NOT (
      ours.are_classes(x.classes) AND ours.is_moment(x.minted_from) AND ours.is_moment(x.minted_to)
    )
  );
END $$;
CREATE TRIGGER hold_change_readable BEFORE INSERT ON hold_change FOR EACH ROW
WHEN (NEW.carve_outs IS NOT NULL AND NOT are_carve_outs(NEW.carve_outs))
EXECUTE FUNCTION refuse_row();
