-- 0036_codes_in_lines.py runs this file with the schema of the catalog in the place of "ours".

-- Whether a text is a code: no sentence, no e-mail address and no name with spaces. As CODE in
-- storage/model/codes.py.
CREATE FUNCTION is_code(given text) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT given COLLATE "C" ~ '^[A-Za-z0-9][A-Za-z0-9._:/|-]{0,63}$'
$$;

-- An entry in the roster says codes of an actor, since its line says them for ever. One that says
-- what an older one did is made as before: so whoever was entered otherwise can be suspended.
CREATE FUNCTION check_codes() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT (
    ours.is_code(NEW.actor) AND ours.is_code(NEW.role) AND ours.is_code(NEW.employer)
    AND ours.is_code(NEW.location)
  ) AND NOT EXISTS (
    SELECT FROM ours.roster r
    WHERE (r.actor, r.role, r.employer, r.location)
      = (NEW.actor, NEW.role, NEW.employer, NEW.location)
  ) THEN
    PERFORM ours.refuse_grant('not_a_code');
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER roster_codes BEFORE INSERT ON roster FOR EACH ROW EXECUTE FUNCTION check_codes();

-- Refuse what is none.
CREATE FUNCTION refuse_text() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.refuse_grant('not_a_code');
END $$;
CREATE TRIGGER access_grant_codes BEFORE INSERT ON access_grant FOR EACH ROW
WHEN (NOT is_code(NEW."case")) EXECUTE FUNCTION refuse_text();
CREATE TRIGGER grant_approval_codes BEFORE INSERT ON grant_approval FOR EACH ROW
WHEN (NEW.for_customer AND NOT is_code(NEW.actor)) EXECUTE FUNCTION refuse_text();

-- Refuse a row, as a constraint with the name of the trigger would: one that looks at new rows alone.
CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'the row is refused by %', TG_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;

-- Where a tile or a bundle is: level -1 has entries of 2 + 33 bytes, the others have hashes.
CREATE TRIGGER log_tile_place_is_one BEFORE INSERT ON log_tile FOR EACH ROW
WHEN (NOT (
  NEW.level BETWEEN -1 AND 7 AND NEW.index >= 0 AND NEW.width BETWEEN 1 AND 256 AND NEW.start >= 0
  AND NEW.length = NEW.width * CASE NEW.level WHEN -1 THEN 35 ELSE 32 END
)) EXECUTE FUNCTION refuse_row();

-- A note of the region alone has less than 400 bytes.
CREATE TRIGGER log_checkpoint_length BEFORE INSERT ON log_checkpoint FOR EACH ROW
WHEN (octet_length(NEW.note) > 1024) EXECUTE FUNCTION refuse_row();
