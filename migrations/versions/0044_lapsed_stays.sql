-- A choice for the end of a contract that has lapsed stays so. 0044_lapsed_stays.py runs this file with the
-- quoted name of the catalog's schema as "ours".

-- Since when it is known that it has lapsed, whatever is recorded of agreements later.
ALTER TABLE ours.exit_choice ADD COLUMN lapsed timestamptz;

-- As in 0039, but what has lapsed once stays so.
CREATE OR REPLACE FUNCTION has_lapsed(given exit_choice, today date) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT given.lapsed IS NOT NULL OR EXISTS (
    SELECT FROM ours.agreements_of(given.tenant) e
    WHERE e.kind = 'dpa' AND greatest(given.exit_on, e.since) <= today
      AND (e.until IS NULL OR e.until > greatest(given.exit_on, e.since))
  )
$$;

-- An entry that replaces another one may say that the agreement had ended before the day of the exit. Until
-- now it was in force, and data was stored under it: what has lapsed by then is noted first.
CREATE FUNCTION keep_lapsed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE ours.exit_choice c SET lapsed = NEW.recorded
  WHERE c.tenant = NEW.tenant AND c.lapsed IS NULL
    AND ours.has_lapsed(c, (NEW.recorded AT TIME ZONE 'UTC')::date);
  RETURN NEW;
END $$;
CREATE TRIGGER agreement_entry_lapses BEFORE INSERT ON ours.agreement_entry FOR EACH ROW
WHEN (NEW.kind = 'dpa' AND NEW.supersedes IS NOT NULL) EXECUTE FUNCTION ours.keep_lapsed();

-- What is forgotten of agreements says no more what has lapsed: it is noted before.
CREATE FUNCTION keep_all_lapsed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE ours.exit_choice c SET lapsed = clock_timestamp()
  WHERE c.lapsed IS NULL AND ours.has_lapsed(c, (clock_timestamp() AT TIME ZONE 'UTC')::date);
  RETURN NULL;
END $$;
CREATE TRIGGER agreement_forgotten_lapses BEFORE DELETE ON ours.agreement_entry FOR EACH STATEMENT
EXECUTE FUNCTION ours.keep_all_lapsed();
