-- The transparency log of a region. 0017_log.py runs this file, with the quoted name of the
-- catalog's schema as :"schema". The functions are all that can change a line.

CREATE TABLE log_line (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  at timestamptz NOT NULL,
  text text,
  salt bytea,
  commitment bytea NOT NULL,
  number bigint,
  login text NOT NULL DEFAULT session_user, -- no role may give another one
  CONSTRAINT log_line_forgotten CHECK ((text IS NULL) = (salt IS NULL)),
  CONSTRAINT log_line_text CHECK (text IS NULL OR text IS JSON OBJECT),
  CONSTRAINT log_line_sizes CHECK (octet_length(salt) = 32 AND octet_length(commitment) = 33)
);
CREATE UNIQUE INDEX log_line_number ON log_line (number);
CREATE INDEX log_line_waiting ON log_line (at, id) WHERE number IS NULL;
CREATE INDEX log_line_known ON log_line (number) WHERE text IS NOT NULL;
CREATE INDEX log_line_at ON log_line (at, id);
-- The planner keeps no values of these: a text must be gone when it is forgotten.
ALTER TABLE log_line
  ALTER text SET STATISTICS 0, ALTER salt SET STATISTICS 0, ALTER commitment SET STATISTICS 0;

CREATE TABLE log_checkpoint (
  size bigint PRIMARY KEY,
  root bytea NOT NULL,
  note text NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT log_checkpoint_root CHECK (size > 0 AND octet_length(root) = 32)
);

CREATE TABLE log_cosignature (
  size bigint,
  witness text,
  line text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (size, witness)
);

CREATE TABLE log_tile (
  object_id uuid REFERENCES object (id) ON DELETE CASCADE,
  level smallint,
  index bigint,
  width smallint NOT NULL,
  start integer NOT NULL,
  length integer NOT NULL,
  PRIMARY KEY (object_id, level, index)
);
CREATE INDEX log_tile_place ON log_tile (level, index, width);

CREATE TABLE log_state (
  id smallint PRIMARY KEY,
  holder uuid,
  lease timestamptz,
  minimum bigint NOT NULL DEFAULT 0,
  CONSTRAINT log_state_one_row CHECK (id = 1)
);
INSERT INTO log_state (id) VALUES (1);

-- Give the next numbers to lines that have none, at most so many, in the order of their times. While
-- numbered lines are in no checkpoint it gives none: of one size there is one batch, so whoever signs
-- it signs the same. Nor while a restored catalog may lack lines that others have seen.
CREATE FUNCTION number_log_lines(most integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
DECLARE
  signed bigint;
BEGIN
  PERFORM FROM log_state FOR UPDATE;
  signed := coalesce((SELECT max(size) FROM log_checkpoint), 0);
  IF EXISTS (SELECT FROM log_line WHERE number >= signed)
    OR EXISTS (SELECT FROM catalog_info WHERE identity IS NULL OR unread <> '{}')
  THEN
    RETURN;
  END IF;
  UPDATE log_line l SET number = signed + waiting.place - 1
  FROM (
    SELECT id, row_number() OVER (ORDER BY at, id) AS place
    FROM log_line WHERE number IS NULL ORDER BY at, id LIMIT most
  ) AS waiting
  WHERE l.id = waiting.id;
END $$;

-- Put a line back that a restored catalog lacks, as the log has it. Only while the catalog is being
-- recovered, and never over a line that has a number.
CREATE FUNCTION restore_log_line(
  line uuid, what text, made timestamptz, said text, salted bytea, entry bytea, place bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM catalog_info WHERE identity IS NULL OR unread <> '{}') THEN
    RAISE EXCEPTION 'the catalog is not being recovered';
  END IF;
  INSERT INTO log_line (id, kind, at, text, salt, commitment, number)
  VALUES (line, what, made, said, salted, entry, place)
  ON CONFLICT (id) DO UPDATE
  SET text = said, salt = salted, commitment = entry, number = place
  WHERE log_line.number IS NULL;
END $$;

-- Forget salt and text of a batch of older lines, and return the count. A line that is not in the log
-- yet is kept: its text would be in no object.
-- Up to when a text may be forgotten, whatever a worker says: a report on the last weeks is whole.
CREATE FUNCTION forgettable_before() RETURNS timestamptz LANGUAGE sql
AS $$ SELECT clock_timestamp() - interval '30 days' $$;

CREATE FUNCTION forget_log_lines(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
DECLARE
  forgotten integer;
BEGIN
  UPDATE log_line SET text = NULL, salt = NULL
  WHERE id IN (
    SELECT id FROM log_line
    WHERE text IS NOT NULL AND at < before AND at < forgettable_before()
      AND number < coalesce((SELECT max(size) FROM log_checkpoint), 0)
    ORDER BY number LIMIT most FOR UPDATE SKIP LOCKED
  );
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

-- Delete the lines of whole bundles that were all forgotten, and say that the log begins later.
CREATE FUNCTION prune_log(before bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
BEGIN
  PERFORM FROM log_state FOR UPDATE;
  IF before % 256 <> 0
    OR before > coalesce((SELECT max(size) FROM log_checkpoint), 0)
    OR EXISTS (SELECT FROM log_line WHERE number < before AND text IS NOT NULL)
  THEN
    RAISE EXCEPTION 'these lines are not to be pruned';
  END IF;
  DELETE FROM log_line WHERE number < before;
  UPDATE log_state SET minimum = greatest(minimum, before);
END $$;
