-- Sealed names that are none, and the logins of lines that were brought back. 0045_names_and_logins.py runs
-- this file with the quoted name of the catalog's schema as "ours".

-- Whether it may be a sealed name, as seal_name in storage/crypto/envelope.py makes it: a wrapped key and the
-- size of the name, each after its length, and the name. A key file wraps a key in 61 bytes; what KMS wraps
-- begins with 0. A name has 1024 bytes at most, and gets 17 longer.
CREATE FUNCTION is_sealed_name(given bytea) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  whole integer := octet_length(given);
  key bigint;
  name bigint;
BEGIN
  IF whole < 5 THEN
    RETURN false;
  END IF;
  key := ('x' || encode(substr(given, 1, 4), 'hex'))::bit(32)::bigint;
  IF key NOT BETWEEN 2 AND 6145 OR get_byte(given, 4) <> 0 AND key <> 61 OR whole < key + 29 THEN
    RETURN false;
  END IF;
  name := ('x' || encode(substr(given, key::integer + 9, 4), 'hex'))::bit(32)::bigint;
  RETURN substr(given, key::integer + 5, 4) = '\x00000004' AND name <= 1024
    AND whole - key - 29 <= name;
END $$;

CREATE TRIGGER consent_named BEFORE INSERT ON ours.consent FOR EACH ROW
WHEN (NOT ours.is_sealed_name(NEW.sealed_name)) EXECUTE FUNCTION ours.refuse_row();

-- Only a subject or a group has one.
CREATE FUNCTION check_hold_name() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.scope NOT IN ('subject', 'group') OR NOT ours.is_sealed_name(NEW.sealed_name) THEN
    RAISE EXCEPTION 'this hold has a sealed name that is none'
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_named BEFORE INSERT ON ours.hold FOR EACH ROW
WHEN (NEW.sealed_name IS NOT NULL) EXECUTE FUNCTION ours.check_hold_name();

-- As in 0041, and who added a line to a catalog that was restored is not known, also if it says what the
-- log has there: any login may have added that, and given it its number.
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
    UPDATE ours.log_line SET login = '' WHERE number = place AND login <> '';
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
