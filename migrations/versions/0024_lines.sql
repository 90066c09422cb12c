-- Lines of the log that the catalog itself writes, and numbers that no forged checkpoint moves.
-- 0024_lines.py runs this file with the quoted name of the catalog's schema as "ours".

-- A row that the region did not sign may stand beside the true one: whoever reads verifies each.
ALTER TABLE log_checkpoint
  DROP CONSTRAINT log_checkpoint_pkey, ADD PRIMARY KEY (size, root, note);
ALTER TABLE log_cosignature
  DROP CONSTRAINT log_cosignature_pkey, ADD PRIMARY KEY (size, witness, line);

-- What could not be read again, or is too long for the log, would stop it.
ALTER TABLE log_line
  ADD CONSTRAINT log_line_length CHECK (octet_length(text) <= 65536),
  ADD CONSTRAINT log_line_moment
    CHECK (at >= '1970-01-01 00:00+00' AND at < '9999-01-01 00:00+00'),
  ADD CONSTRAINT log_line_kind CHECK (kind IN (
    'opening', 'refusal', 'grant_requested', 'grant_approved', 'grant_revoked', 'roster',
    'hold_placed', 'hold_confirmed', 'hold_changed', 'hold_released', 'hand_over', 'erasure',
    'receipt', 'agreement', 'topology', 'consent', 'training', 'key_rotation', 'recovery', 'export',
    'policy', 'lost'
  ));

-- The number of the next line: one more than the last one, whatever a checkpoint says.
CREATE FUNCTION next_log_number() RETURNS bigint LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT greatest((SELECT max(number) + 1 FROM ours.log_line), (SELECT minimum FROM ours.log_state))
$$;

-- As in 0023. "signed": the size of the newest checkpoint, as the caller has verified it. A wrong one
-- makes a batch longer, and no number differ.
DROP FUNCTION number_log_lines(integer);
CREATE FUNCTION number_log_lines(most integer, signed bigint DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  following bigint;
BEGIN
  PERFORM FROM ours.log_state FOR UPDATE;
  following := ours.next_log_number();
  signed := coalesce(
    signed, (SELECT max(size) FROM ours.log_checkpoint WHERE size <= following), 0
  );
  IF EXISTS (SELECT FROM ours.log_line WHERE number >= signed)
    OR EXISTS (SELECT FROM ours.catalog_info WHERE identity IS NULL OR unread <> '{}')
  THEN
    RETURN;
  END IF;
  UPDATE ours.log_line l SET number = following + waiting.place - 1
  FROM (
    SELECT id, row_number() OVER (ORDER BY at, id) AS place
    FROM ours.log_line WHERE number IS NULL ORDER BY at, id LIMIT most
  ) AS waiting
  WHERE l.id = waiting.id;
END $$;

-- As in 0023, and never beyond the last line.
CREATE OR REPLACE FUNCTION prune_log(before bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM ours.log_state FOR UPDATE;
  IF before % 256 <> 0
    OR before > coalesce((SELECT max(size) FROM ours.log_checkpoint), 0)
    OR before > ours.next_log_number()
    OR EXISTS (SELECT FROM ours.log_line WHERE number < before AND text IS NOT NULL)
  THEN
    RAISE EXCEPTION 'these lines are not to be pruned';
  END IF;
  DELETE FROM ours.log_line WHERE number < before;
  UPDATE ours.log_state SET minimum = greatest(minimum, before);
END $$;

-- A moment as a line says it.
CREATE FUNCTION said_moment(given timestamptz) RETURNS text LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT replace(to_char(given AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '')
    || '+00:00'
$$;

-- Add a line, in the transaction of what it is about: its text, as storage/catalog/log.py writes one,
-- a random salt, and the commitment to both. The login is that of the session.
CREATE FUNCTION add_log_line(what text, facts jsonb, given timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  line uuid := uuidv7();
  salted bytea := sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
  );
  said text;
BEGIN
  facts := facts
    || jsonb_build_object('line', line, 'kind', what, 'at', ours.said_moment(given));
  SELECT '{' || string_agg(
    to_json(f.key)::text || ':' || CASE jsonb_typeof(f.value)
      WHEN 'array' THEN (
        SELECT '[' || coalesce(string_agg(e.value::text, ',' ORDER BY e.ordinality), '') || ']'
        FROM jsonb_array_elements(f.value) WITH ORDINALITY e
      )
      ELSE f.value::text
    END,
    ',' ORDER BY f.key COLLATE "C"
  ) || '}' INTO said
  FROM jsonb_each(facts) f;
  INSERT INTO ours.log_line (id, kind, at, text, salt, commitment) VALUES (
    line, what, given, said, salted,
    '\x01'::bytea || sha256(
      convert_to('domicile log line v1', 'UTF8') || '\x00'::bytea || salted
      || convert_to(said, 'UTF8')
    )
  );
END $$;

-- Add a line about a grant as it is now. It names the first approvals alone: one that could become
-- too long would keep the grant from being revoked.
CREATE FUNCTION note_grant(what text, which uuid, given timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  facts jsonb;
BEGIN
  SELECT jsonb_build_object(
    'grant', g.id, 'tenant', g.tenant, 'purpose', g.purpose, 'actor', g.actor,
    'requester', g.requester, 'scope', g.scope, 'hold', g.hold_id, 'case', g."case",
    'records_max', g.records_max, 'justification', g.justification_digest,
    'until', ours.said_moment(g.until),
    'approved_by', coalesce((
      SELECT jsonb_agg(left(a.actor, 200) ORDER BY a.number) FROM (
        SELECT * FROM ours.grant_approval WHERE grant_id = which ORDER BY number LIMIT 20
      ) a
    ), '[]'),
    'approved_at',
    (SELECT ours.said_moment(max(at)) FROM ours.grant_approval WHERE grant_id = which),
    'revoked_by', (SELECT actor FROM ours.grant_revocation WHERE grant_id = which)
  ) INTO facts FROM ours.access_grant g WHERE g.id = which;
  PERFORM ours.add_log_line(what, facts, given);
END $$;

-- Add a line about the entry of an actor that counts, with how many people the roster has now.
-- "most": how many it may have, if the caller says so.
CREATE FUNCTION note_entry(who text, most integer, given timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  entry ours.roster := ours.roster_entry(who);
  people bigint;
BEGIN
  SELECT count(*) INTO people FROM (SELECT DISTINCT actor FROM ours.roster) a
  CROSS JOIN LATERAL ours.roster_entry(a.actor) e
  WHERE e.kind <> 'machine' AND ours.in_force(e, (given AT TIME ZONE 'UTC')::date);
  PERFORM ours.add_log_line('roster', jsonb_build_object(
    'actor', entry.actor, 'actor_kind', entry.kind, 'role', entry.role,
    'employer', entry.employer, 'location', entry.location, 'agreement', entry.agreement,
    'since', entry.since, 'until', entry.until, 'suspended', entry.suspended::integer,
    'by', entry.entered_by, 'staff', people, 'staff_max', most
  ), given);
END $$;

-- As in 0019, with a line.
DROP FUNCTION enter_roster(
  text, text, text, text, text, text, text, date, date, boolean, timestamptz
);
CREATE FUNCTION enter_roster(
  who text, what text, duty text, company text, place text, its_login text, document text,
  first_day date, last_day date, stopped boolean, at timestamptz, most integer DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  mine ours.roster;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('roster', 0));
  IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
    mine := ours.acting_person(today);
    IF mine.role <> 'roster_keeper' THEN
      PERFORM ours.refuse_grant('not_roster_keeper');
    END IF;
  END IF;
  IF its_login = session_user
    OR EXISTS (SELECT FROM ours.roster WHERE login = session_user AND actor = who)
  THEN
    PERFORM ours.refuse_grant('own_entry');
  END IF;
  IF EXISTS (SELECT FROM ours.roster WHERE login = its_login AND actor <> who) THEN
    PERFORM ours.refuse_grant('login_taken');
  END IF;
  INSERT INTO ours.roster (
    actor, kind, role, employer, location, login, agreement, since, until, suspended, entered,
    entered_by
  ) VALUES (
    who, what, duty, company, place, its_login, document, first_day, last_day, stopped, at,
    session_user
  );
  PERFORM ours.note_entry(who, most, at);
END $$;

-- Add a line about a version of the root key that is about to be made. The role of a key service
-- adds no other line.
CREATE FUNCTION note_root_key(version integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.add_log_line(
    'key_rotation', jsonb_build_object('section', 'root', 'version', version), clock_timestamp()
  );
END $$;

-- As in 0021, with a line.
CREATE OR REPLACE FUNCTION request_grant(
  new uuid, whose text, why text, who text, what text, matched bytea[], hold uuid, reference text,
  most integer, digest text, sealed bytea, hours integer, at timestamptz
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  mine ours.roster := ours.acting_person(today);
  asked text[] := ours.traits_for(whose, why);
BEGIN
  PERFORM ours.check_grounds(whose, who, hold, today);
  IF hold IS NOT NULL THEN
    SELECT CASE WHEN h.tenant IS NULL THEN 'tenant' ELSE h.scope END, coalesce(h.sought, '{}')
    INTO what, matched FROM ours.hold h WHERE h.id = hold;
  END IF;
  INSERT INTO ours.access_grant VALUES (
    new, whose, why, who, mine.actor, session_user, what, matched, hold, reference, most, digest,
    sealed, ours.customer_must_approve(why, asked), at, at + hours * interval '1 hour'
  );
  PERFORM ours.note_grant('grant_requested', new, at);
END $$;

-- As in 0019, with a line, unless it was approved alike before.
CREATE OR REPLACE FUNCTION approve_grant(which uuid, signed bytea, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  mine ours.roster := ours.acting_person(today);
  given ours.access_grant := ours.lock_grant(which);
BEGIN
  IF mine.actor = given.requester THEN
    PERFORM ours.refuse_grant('approver_is_requester');
  END IF;
  IF mine.actor = given.actor THEN
    PERFORM ours.refuse_grant('approver_is_user');
  END IF;
  PERFORM ours.check_not_over(given, at);
  INSERT INTO ours.grant_approval (grant_id, actor, login, for_customer, signature, at)
  VALUES (which, mine.actor, session_user, false, signed, at) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    PERFORM ours.note_grant('grant_approved', which, at);
  END IF;
END $$;

-- As in 0019, with a line, unless it was approved alike before.
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
  IF EXISTS (
    SELECT FROM ours.roster r WHERE r.actor = who OR r.login = session_user AND r.kind <> 'machine'
  ) THEN
    PERFORM ours.refuse_grant('not_the_customer');
  END IF;
  PERFORM ours.check_not_over(given, at);
  INSERT INTO ours.grant_approval (grant_id, actor, login, for_customer, at)
  VALUES (which, who, session_user, true, at) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    PERFORM ours.note_grant('grant_approved', which, at);
  END IF;
END $$;

-- As in 0019, with a line, unless it was revoked before.
CREATE OR REPLACE FUNCTION revoke_grant(which uuid, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  mine ours.roster := ours.acting_person(today);
BEGIN
  PERFORM ours.lock_grant(which);
  INSERT INTO ours.grant_revocation VALUES (which, mine.actor, session_user, at)
  ON CONFLICT DO NOTHING;
  IF FOUND THEN
    PERFORM ours.note_grant('grant_revoked', which, at);
  END IF;
END $$;
