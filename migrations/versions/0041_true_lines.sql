-- 0041_true_lines.py runs this file with the schema of the catalog in the place of "ours".

-- As in 0023. "signed": the size of the newest checkpoint that is on its backends, as the caller has
-- verified it. What a line says is in no object before that.
DROP FUNCTION forget_log_lines(timestamptz, integer);
CREATE FUNCTION forget_log_lines(before timestamptz, most integer, signed bigint DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten integer;
BEGIN
  signed := coalesce(signed, (
    SELECT max(size) FROM ours.log_checkpoint WHERE size <= ours.next_log_number()
  ), 0);
  UPDATE ours.log_line SET text = NULL, salt = NULL
  WHERE id IN (
    SELECT id FROM ours.log_line
    WHERE text IS NOT NULL AND at < before AND at < ours.forgettable_before() AND number < signed
    ORDER BY number LIMIT most FOR UPDATE SKIP LOCKED
  );
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

-- Whether a line of that kind and time has the text, as code writes it.
CREATE FUNCTION says_line(said text, what text, made timestamptz) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT strpos(said, '"kind":' || to_json(what)) > 0
    AND strpos(said, '"at":' || to_json(ours.said_moment(made))) > 0
$$;

-- Let lines wait for a number again: the log has others in their places, or none. Any login can give
-- numbers in a catalog that was restored, until its recovery begins.
CREATE FUNCTION release_log_numbers(places bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT ours.is_recovering() THEN
    RAISE EXCEPTION 'the catalog is not being recovered';
  END IF;
  UPDATE ours.log_line
  SET number = NULL, text = coalesce(text, '{}'), salt = coalesce(salt, decode(repeat('00', 32), 'hex'))
  WHERE number = ANY (places);
END $$;

-- As in 0040, and a line that has its place already says what the log has there: any login may have
-- added one with that commitment and another text. No text is restored that does not open it, and none
-- that does is replaced; nor are kind and time of its line, but by those that it says. Who added a line
-- that is restored is not known: its login is empty. One of a time that lies ahead is of now.
CREATE OR REPLACE FUNCTION restore_log_line(
  line uuid, what text, made timestamptz, said text, salted bytea, entry bytea, place bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT ours.is_recovering() THEN
    RAISE EXCEPTION 'the catalog is not being recovered';
  END IF;
  IF said IS NOT NULL AND ours.line_commitment(salted, said) <> entry THEN
    RAISE EXCEPTION 'a text does not open the commitment of its line';
  END IF;
  IF made > clock_timestamp() + interval '1 day' THEN
    BEGIN
      PERFORM ours.check_not_ahead(made - interval '1 day');
    EXCEPTION WHEN SQLSTATE 'DG001' THEN
      made := clock_timestamp();
    END;
  END IF;
  UPDATE ours.log_line l SET number = place
  WHERE l.id = line AND l.number IS NULL AND l.commitment = entry
    AND ours.line_commitment(l.salt, l.text) = entry
    AND NOT EXISTS (SELECT FROM ours.log_line o WHERE o.number = place);
  IF EXISTS (SELECT FROM ours.log_line l WHERE l.number = place AND l.commitment = entry) THEN
    UPDATE ours.log_line l SET kind = what, at = made, text = said, salt = salted, login = ''
    WHERE l.number = place AND (l.kind, l.at, l.text) IS DISTINCT FROM (what, made, said)
      AND (ours.line_commitment(l.salt, l.text) <> entry OR ours.says_line(said, what, made));
    RETURN;
  END IF;
  LOOP
    INSERT INTO ours.log_line AS l (id, kind, at, text, salt, commitment, number, login)
    VALUES (line, what, made, said, salted, entry, place, '')
    ON CONFLICT (id) DO UPDATE
    SET text = said, salt = salted, commitment = entry, number = place, login = ''
    WHERE l.number IS NULL AND (l.commitment = entry OR l.text = said);
    EXIT WHEN FOUND;
    line := encode(
      substr(sha256(uuid_send(line) || int8send(place) || entry), 1, 16), 'hex'
    )::uuid;
  END LOOP;
END $$;

-- The last step of an exit that the catalog had when its last recovery began: until then a catalog may
-- lack a renewal, so what people confirmed does not count. A line about a recovery is written by any
-- login.
ALTER TABLE catalog_info ADD COLUMN last_exit_step bigint;
UPDATE catalog_info SET last_exit_step = (
  SELECT max(number) FROM exit_step WHERE at < (
    SELECT max(at) FROM log_line
    WHERE kind = 'recovery' AND at <= clock_timestamp() + interval '1 day'
  )
);

-- As in 0035, and it notes the last step of an exit.
CREATE OR REPLACE FUNCTION guard_recovery() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  here text := pg_current_xact_id()::text;
  was boolean := OLD.identity IS NULL OR OLD.unread <> '{}';
  continues boolean := NEW.identity IS NULL OR NEW.unread <> '{}';
BEGIN
  IF continues AND NOT was THEN
    NEW.declared := here;
  ELSIF was AND NOT continues AND NEW.declared = here THEN
    RAISE EXCEPTION 'a recovery ends later than it begins'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'catalog_info_recovery';
  END IF;
  IF NEW.identity IS NULL OR continues AND NOT was THEN
    NEW.last_exit_step := (SELECT max(number) FROM ours.exit_step);
  END IF;
  RETURN NEW;
END $$;

-- As in 0039, but what counts as a recovery is what the catalog noted itself.
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
      AND s.number > coalesce((SELECT max(last_exit_step) FROM ours.catalog_info), 0)
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

-- A line of a time that lies ahead would never be forgotten, nor what comes after it. More than a clock
-- is wrong: a day. Those that exist are of now.
CREATE FUNCTION check_line_not_ahead() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.check_not_ahead(NEW.at - interval '1 day');
  RETURN NULL;
END $$;
CREATE TRIGGER log_line_not_ahead AFTER INSERT ON log_line FOR EACH ROW
EXECUTE FUNCTION check_line_not_ahead();
UPDATE log_line SET at = clock_timestamp() WHERE at > clock_timestamp() + interval '1 day';
