-- 0034_guarded.py runs this file with the schema of the catalog in the place of "ours".

-- Revoke every grant that is not over: a restored catalog does not know which were revoked since, nor
-- how often they were used. Return how many.
CREATE FUNCTION revoke_grants_of_before(given timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  which uuid;
  revoked integer := 0;
BEGIN
  FOR which IN
    SELECT g.id FROM ours.access_grant g WHERE g.until > given
      AND NOT EXISTS (SELECT FROM ours.grant_revocation r WHERE r.grant_id = g.id)
    ORDER BY g.id
  LOOP
    INSERT INTO ours.grant_revocation VALUES (which, 'recovery', session_user, given)
    ON CONFLICT DO NOTHING;
    PERFORM ours.note_grant('grant_revoked', which, given);
    revoked := revoked + 1;
  END LOOP;
  RETURN revoked;
END $$;

-- Refuse a moment that lies ahead.
CREATE FUNCTION check_not_ahead(given timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF given > clock_timestamp() + interval '60 seconds' THEN
    PERFORM ours.refuse_grant('wrong_time');
  END IF;
END $$;

-- As in 0021, and not in the future: from then on the alarm counts its 72 hours.
CREATE OR REPLACE FUNCTION place_hold(new jsonb, excluded jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.check_not_ahead((new ->> 'placed')::timestamptz);
  RETURN ours.insert_hold(new, excluded, ours.person_of_session(), session_user);
END $$;

-- A catalog counts as restored when a login says so. It may replay then what people did, so the log
-- has a line about it, with the login.
CREATE FUNCTION note_recovery() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.add_log_line('recovery', '{"begun": 1}', clock_timestamp());
  RETURN NULL;
END $$;
CREATE TRIGGER catalog_info_recovery AFTER UPDATE ON catalog_info FOR EACH ROW
WHEN (OLD.identity IS NOT NULL AND OLD.unread = '{}' AND (NEW.identity IS NULL OR NEW.unread <> '{}'))
EXECUTE FUNCTION note_recovery();

-- As in 0024, and an agreement is named by its digest.
CREATE OR REPLACE FUNCTION note_entry(who text, most integer, given timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  entry ours.roster := ours.roster_entry(who);
  people bigint;
BEGIN
  IF entry.agreement !~ '^[0-9a-f]{64}$' THEN
    PERFORM ours.refuse_grant('no_agreement');
  END IF;
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

-- A line that says nothing, and never will, would stop the log: whoever added it, it goes.
DELETE FROM log_line WHERE number IS NULL AND text IS NULL;
ALTER TABLE log_line ADD CONSTRAINT log_line_waiting
  CHECK (number IS NOT NULL OR text IS NOT NULL);
