-- Keys that stay with their records, and numbers that only count on. 0038_bound.py runs this file with
-- the schema of the catalog in the place of "ours".

-- With which record a wrapped key came into "held". Nobody deletes here: the key may be copied.
CREATE TABLE held_binding (
  wrapped bytea PRIMARY KEY,
  facts bytea NOT NULL
);

-- The digest of what decides whether a hold covers a record. The wrapped key is random, so nobody
-- guesses a person from it.
CREATE FUNCTION held_facts(given held) RETURNS bytea LANGUAGE sql
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET bytea_output = 'hex'
AS $$
  SELECT sha256(given.wrapped_key || convert_to(jsonb_build_array(
    given.tenant, given.uid, given.expiry_day, given.data_class, given.minted, given.subject,
    given.grp, given.ancestors
  )::text, 'UTF8'))
$$;

-- Refuse a row that has the wrapped key of another record, or of the same with other facts.
CREATE FUNCTION bind_held() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key bytea := sha256(NEW.wrapped_key);
  said bytea := ours.held_facts(NEW);
BEGIN
  INSERT INTO ours.held_binding VALUES (key, said) ON CONFLICT DO NOTHING;
  IF said IS DISTINCT FROM (SELECT b.facts FROM ours.held_binding b WHERE b.wrapped = key) THEN
    RAISE EXCEPTION 'the wrapped key belongs to another record'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'held_bound';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER held_bound AFTER INSERT OR UPDATE ON held FOR EACH ROW EXECUTE FUNCTION bind_held();
INSERT INTO held_binding SELECT sha256(h.wrapped_key), ours.held_facts(h) FROM held h
ON CONFLICT DO NOTHING;

-- A hold takes the number after the newest: from a greater one none could be counted on.
CREATE FUNCTION guard_hold_number() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.number > (SELECT coalesce(max(h.number), 0) + 1 FROM ours.hold h) THEN
    RAISE EXCEPTION 'the number of a hold is the next one'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'hold_numbered';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_numbered BEFORE INSERT ON hold FOR EACH ROW
EXECUTE FUNCTION guard_hold_number();

-- So does an entry of the ledger, but in a recovery: it finds entries in any order.
CREATE FUNCTION guard_entry_number() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT ours.is_recovering() AND NEW.number > (
    SELECT coalesce(max(o.number), 0) + 1 FROM ours.object o WHERE o.kind = 'ledger'
  ) THEN
    RAISE EXCEPTION 'the number of an entry of the ledger is the next one'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_numbered';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER entry_numbered BEFORE INSERT OR UPDATE OF kind, number ON object FOR EACH ROW
WHEN (NEW.kind = 'ledger') EXECUTE FUNCTION guard_entry_number();
