-- 0040_restored_lines.py runs this file with the schema of the catalog in the place of "ours".

-- As in 0024, and no number while the catalog lacks lines that the newest checkpoint holds: a line
-- with one of their numbers would count as public, and is not.
CREATE OR REPLACE FUNCTION number_log_lines(most integer, signed bigint DEFAULT NULL) RETURNS void
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
  IF signed > following
    OR EXISTS (SELECT FROM ours.log_line WHERE number >= signed)
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

-- As in 0023, and of every number there is a row then, with the commitment that the log has there.
-- "line" is what a text says, and any login may have written that: if the id is that of another line,
-- this one gets a new one. A line that waits is the same if it has the same commitment, or says the
-- same: then it was noted again.
CREATE OR REPLACE FUNCTION restore_log_line(
  line uuid, what text, made timestamptz, said text, salted bytea, entry bytea, place bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ours.catalog_info WHERE identity IS NULL OR unread <> '{}') THEN
    RAISE EXCEPTION 'the catalog is not being recovered';
  END IF;
  IF EXISTS (SELECT FROM ours.log_line l WHERE l.number = place AND l.commitment = entry) THEN
    RETURN;
  END IF;
  LOOP
    INSERT INTO ours.log_line AS l (id, kind, at, text, salt, commitment, number)
    VALUES (line, what, made, said, salted, entry, place)
    ON CONFLICT (id) DO UPDATE
    SET text = said, salt = salted, commitment = entry, number = place
    WHERE l.number IS NULL AND (l.commitment = entry OR l.text = said);
    EXIT WHEN FOUND;
    line := encode(
      substr(sha256(uuid_send(line) || int8send(place) || entry), 1, 16), 'hex'
    )::uuid;
  END LOOP;
END $$;
