-- Choices for the end of contracts that lapse, and BAAs that replace another. 0039_choices_lapse.py runs
-- this file with the quoted name of the catalog's schema as "ours".

-- Return whether an agreement to process data was in force on a day from an exit's until today: the customer
-- chose for the end of the contract before, and of that one it had notice.
CREATE FUNCTION has_lapsed(given exit_choice, today date) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (
    SELECT FROM ours.agreements_of(given.tenant) e
    WHERE e.kind = 'dpa' AND greatest(given.exit_on, e.since) <= today
      AND (e.until IS NULL OR e.until > greatest(given.exit_on, e.since))
  )
$$;

-- As in 0027, but a BAA that replaces another one needs an enterprise agreement too, unless it is in force
-- on no day on which the other was not.
CREATE OR REPLACE FUNCTION add_agreement(
  new uuid, whose text, what text, digest text, who text, signature date, first_day date,
  last_day date, replaced uuid
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
  matters date := CASE WHEN last_day <= today THEN first_day ELSE greatest(first_day, today) END;
  old ours.agreement_entry;
  shortened boolean := false;
BEGIN
  PERFORM ours.lock_tenant(whose);
  UPDATE ours.tenant SET version = version + 1 WHERE id = whose;
  IF NOT FOUND THEN
    PERFORM ours.refuse_agreement('unknown_tenant');
  END IF;
  IF signature > today THEN
    PERFORM ours.refuse_agreement('signed_in_future');
  END IF;
  IF last_day < first_day OR replaced IS NULL AND last_day = first_day THEN
    PERFORM ours.refuse_agreement('ends_before_it_begins');
  END IF;
  IF replaced IS NOT NULL THEN
    SELECT * INTO old FROM ours.agreements_of(whose) e WHERE e.id = replaced;
    IF NOT FOUND THEN
      PERFORM ours.refuse_agreement('superseded_already');
    END IF;
    IF old.kind <> what THEN
      PERFORM ours.refuse_agreement('another_kind');
    END IF;
    shortened := first_day >= old.since
      AND (old.until IS NULL OR coalesce(last_day, 'infinity') <= old.until);
  END IF;
  IF what = 'baa' AND NOT shortened AND NOT EXISTS (
    SELECT FROM ours.agreements_of(whose) e
    WHERE e.kind = 'enterprise' AND e.since <= matters AND (e.until IS NULL OR matters < e.until)
  ) THEN
    PERFORM ours.refuse_agreement('baa_without_enterprise');
  END IF;
  INSERT INTO ours.agreement_entry (
    id, tenant, kind, document, signatory, signed, since, until, supersedes, recorded, recorded_by
  ) VALUES (
    new, whose, what, digest, who, signature, first_day, last_day, replaced,
    clock_timestamp(), session_user
  );
END $$;

-- As in 0027, but a choice that has lapsed is not confirmed.
CREATE OR REPLACE FUNCTION confirm_exit(which uuid, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  me text := ours.acting_for_exit(today);
  given ours.exit_choice := ours.lock_choice(which);
  over text := ours.choice_is_over(given);
BEGIN
  IF over IS NOT NULL THEN
    PERFORM ours.refuse_exit(over);
  END IF;
  IF ours.has_lapsed(given, today) THEN
    PERFORM ours.refuse_exit('lapsed');
  END IF;
  IF NOT EXISTS (SELECT FROM ours.exit_step WHERE choice_id = which AND step = 'notice') THEN
    PERFORM ours.refuse_exit('notice_missing');
  END IF;
  IF me = given.actor OR session_user = given.login THEN
    PERFORM ours.refuse_exit('confirmer_requested_it');
  END IF;
  INSERT INTO ours.exit_step (choice_id, step, actor, login, at)
  VALUES (which, 'confirmation', me, session_user, at);
END $$;

-- As in 0027, but a choice that has lapsed is not carried out.
CREATE OR REPLACE FUNCTION begin_exit(which uuid, at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  today date := ours.present_day(at);
  given ours.exit_choice := ours.lock_choice(which);
  over text := ours.choice_is_over(given);
BEGIN
  IF over IS NOT NULL THEN
    RETURN over;
  END IF;
  IF given.exit_on > today THEN
    RETURN 'day_ahead';
  END IF;
  IF ours.has_lapsed(given, today) THEN
    RETURN 'lapsed';
  END IF;
  IF NOT EXISTS (
    SELECT FROM ours.exit_step s WHERE s.choice_id = which AND s.step = 'confirmation'
      AND NOT EXISTS (
        SELECT FROM ours.log_line l WHERE l.kind = 'recovery' AND l.at > s.at
      )
  ) THEN
    RETURN 'not_confirmed';
  END IF;
  IF EXISTS (
    SELECT FROM ours.agreements_of(given.tenant) e
    WHERE e.kind = 'dpa' AND (e.until IS NULL OR e.until > today)
  ) THEN
    RETURN 'agreement_in_force';
  END IF;
  IF EXISTS (SELECT FROM ours.catalog_info WHERE identity IS NULL OR unread <> '{}') THEN
    RETURN 'recovering';
  END IF;
  INSERT INTO ours.exit_step (choice_id, step, login, at)
  VALUES (which, 'erasure', session_user, at);
  RETURN NULL;
END $$;
