-- The functions that run with the rights of their owner, once more: they search nothing but pg_catalog,
-- and name the schema of all else. 0023_closed_functions.py runs this file with the quoted name of the
-- catalog's schema as "ours", and the literals of both schemas as :'ours' and :'partitions'.

-- As in 0022.
CREATE OR REPLACE FUNCTION unsample(name text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %I.%I ALTER subject SET STATISTICS 0, ALTER grp SET STATISTICS 0, ALTER wrapped_key SET STATISTICS 0, ALTER sealed_metadata SET STATISTICS 0, ALTER sealed_flags SET STATISTICS 0, ALTER fingerprint SET STATISTICS 0', :'partitions', name);
  PERFORM pg_restore_attribute_stats(
    'schemaname', :'partitions'::text, 'relname', name, 'attname', told.attname,
    'inherited', false, 'null_frac', 0::real, 'avg_width', 33, 'n_distinct', told.share)
  FROM (VALUES ('subject', -0.05::real), ('grp', -0.2::real)) AS told (attname, share);
END $$;

-- As in 0010, in the schema of the partitions. It runs with the rights of the worker, because it uses
-- what the worker owns.
CREATE OR REPLACE FUNCTION make_partition(wanted date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  name text := 'record_' || to_char(wanted, 'YYYYMMDD');
BEGIN
  -- attached, because CREATE TABLE ... PARTITION OF would lock the parent
  EXECUTE format(
    'CREATE TABLE %I.%I (LIKE %I.record INCLUDING ALL)', :'partitions', name, :'ours'
  );
  PERFORM ours.unsample(name);
  EXECUTE format(
    'ALTER TABLE %I.record ATTACH PARTITION %I.%I FOR VALUES IN (%L)',
    :'ours', :'partitions', name, wanted
  );
  INSERT INTO ours.day (day, state) VALUES (wanted, 'open');
END $$;

-- As in 0010.
CREATE OR REPLACE FUNCTION forget_erasures(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old uuid[] := ARRAY(
    SELECT id FROM ours.erasure e
    WHERE state = 'complete' AND completed < before
      AND NOT EXISTS (SELECT FROM ours.fence WHERE erasure_id = e.id)
    ORDER BY completed LIMIT most FOR UPDATE SKIP LOCKED
  );
BEGIN
  DELETE FROM ours.receipt WHERE erasure_id = ANY (old);
  DELETE FROM ours.erasure WHERE id = ANY (old);
  RETURN cardinality(old);
END $$;

CREATE OR REPLACE FUNCTION forget_holds(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  lines uuid[] := ARRAY(
    SELECT a.id FROM ours.audit a JOIN ours.hold h ON h.id = a.hold_id
    WHERE h.released < before AND h.resumed IS NOT NULL LIMIT most
  );
  old uuid[];
BEGIN
  DELETE FROM ours.audit WHERE id = ANY (lines);
  old := ARRAY(
    SELECT id FROM ours.hold h
    WHERE released < before AND resumed IS NOT NULL
      AND number < (SELECT max(number) FROM ours.hold)
      AND NOT EXISTS (SELECT FROM ours.audit WHERE hold_id = h.id)
      AND NOT EXISTS (SELECT FROM ours.deferral WHERE hold_id = h.id)
    ORDER BY released LIMIT most - cardinality(lines) FOR UPDATE SKIP LOCKED
  );
  DELETE FROM ours.hold WHERE id = ANY (old);
  RETURN cardinality(lines) + cardinality(old);
END $$;

-- Whether a tenant has records. The worker owns that table, so code of the worker may run when it is
-- read: it then runs with the rights of a role that may do nothing else.
CREATE FUNCTION has_records(whose text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM ours.record WHERE tenant = whose)
$$;

-- As in 0016, but records are looked for at the end: code of the worker may change the search path,
-- so nothing follows.
CREATE OR REPLACE FUNCTION remove_tenant(whose text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM ours.file WHERE tenant = whose)
    OR EXISTS (SELECT FROM ours.held WHERE tenant = whose)
    OR EXISTS (SELECT FROM ours.erasure WHERE tenant = whose AND state <> 'complete')
    OR EXISTS (SELECT FROM ours.hold WHERE tenant = whose AND released IS NULL)
    OR EXISTS (SELECT FROM ours.processor_copy WHERE tenant = whose AND state <> 'confirmed')
  THEN
    RAISE EXCEPTION 'something of the tenant is left';
  END IF;
  DELETE FROM ours.agreement WHERE tenant = whose;
  DELETE FROM ours.objection_in_force WHERE tenant = whose;
  DELETE FROM ours.tenant WHERE id = whose;
  IF ours.has_records(whose) THEN
    RAISE EXCEPTION 'something of the tenant is left';
  END IF;
END $$;

-- As in 0017.
CREATE OR REPLACE FUNCTION number_log_lines(most integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  signed bigint;
BEGIN
  PERFORM FROM ours.log_state FOR UPDATE;
  signed := coalesce((SELECT max(size) FROM ours.log_checkpoint), 0);
  IF EXISTS (SELECT FROM ours.log_line WHERE number >= signed)
    OR EXISTS (SELECT FROM ours.catalog_info WHERE identity IS NULL OR unread <> '{}')
  THEN
    RETURN;
  END IF;
  UPDATE ours.log_line l SET number = signed + waiting.place - 1
  FROM (
    SELECT id, row_number() OVER (ORDER BY at, id) AS place
    FROM ours.log_line WHERE number IS NULL ORDER BY at, id LIMIT most
  ) AS waiting
  WHERE l.id = waiting.id;
END $$;

CREATE OR REPLACE FUNCTION restore_log_line(
  line uuid, what text, made timestamptz, said text, salted bytea, entry bytea, place bigint
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM ours.catalog_info WHERE identity IS NULL OR unread <> '{}') THEN
    RAISE EXCEPTION 'the catalog is not being recovered';
  END IF;
  INSERT INTO ours.log_line (id, kind, at, text, salt, commitment, number)
  VALUES (line, what, made, said, salted, entry, place)
  ON CONFLICT (id) DO UPDATE
  SET text = said, salt = salted, commitment = entry, number = place
  WHERE log_line.number IS NULL;
END $$;

CREATE OR REPLACE FUNCTION forgettable_before() RETURNS timestamptz LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$ SELECT clock_timestamp() - interval '30 days' $$;

CREATE OR REPLACE FUNCTION forget_log_lines(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten integer;
BEGIN
  UPDATE ours.log_line SET text = NULL, salt = NULL
  WHERE id IN (
    SELECT id FROM ours.log_line
    WHERE text IS NOT NULL AND at < before AND at < ours.forgettable_before()
      AND number < coalesce((SELECT max(size) FROM ours.log_checkpoint), 0)
    ORDER BY number LIMIT most FOR UPDATE SKIP LOCKED
  );
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

CREATE OR REPLACE FUNCTION prune_log(before bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM FROM ours.log_state FOR UPDATE;
  IF before % 256 <> 0
    OR before > coalesce((SELECT max(size) FROM ours.log_checkpoint), 0)
    OR EXISTS (SELECT FROM ours.log_line WHERE number < before AND text IS NOT NULL)
  THEN
    RAISE EXCEPTION 'these lines are not to be pruned';
  END IF;
  DELETE FROM ours.log_line WHERE number < before;
  UPDATE ours.log_state SET minimum = greatest(minimum, before);
END $$;
