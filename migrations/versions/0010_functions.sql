-- What the planner may keep of the tables, and the functions of a region's catalog. 0010_catalog.py
-- runs this file after 0010_tables.sql, with the quoted name of the catalog's schema as :"schema".

-- ANALYZE copies values of every column into pg_statistic, where they outlive their rows. So columns
-- with pseudonyms, keys or free text are not sampled. Ids are: they contain nothing personal.

ALTER TABLE erasure ALTER sought SET STATISTICS 0;
ALTER TABLE fence ALTER value SET STATISTICS 0;
ALTER TABLE hold
  ALTER sought SET STATISTICS 0,
  ALTER sealed_name SET STATISTICS 0,
  ALTER matter SET STATISTICS 0,
  ALTER authority SET STATISTICS 0,
  ALTER issuer SET STATISTICS 0,
  ALTER released_why SET STATISTICS 0;
ALTER TABLE processor_copy ALTER subject SET STATISTICS 0, ALTER grp SET STATISTICS 0;

-- Stop sampling a table of records, and tell the planner how often a pseudonym occurs: a subject has
-- about 20 records in a table, a group 5. Otherwise the planner expects one row in 200 to match, and
-- may read a whole tenant to list one subject.
CREATE FUNCTION unsample(name text) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %I ALTER subject SET STATISTICS 0, ALTER grp SET STATISTICS 0, ALTER wrapped_key SET STATISTICS 0, ALTER sealed_metadata SET STATISTICS 0, ALTER fingerprint SET STATISTICS 0', name);
  PERFORM pg_restore_attribute_stats(
    'schemaname', current_schema()::text, 'relname', name, 'attname', told.attname,
    'inherited', false, 'null_frac', 0::real, 'avg_width', 33, 'n_distinct', told.share)
  FROM (VALUES ('subject', -0.05::real), ('grp', -0.2::real)) AS told (attname, share);
END $$;

SELECT unsample(name) FROM unnest(ARRAY['record', 'file', 'held']) AS name;

-- Create a partition. Only their owner, the worker, can detach and drop partitions; the other roles
-- can create them through this function. pg_temp comes last: a temporary object of the caller must
-- not replace one of ours and run with the worker's rights.
CREATE FUNCTION make_partition(wanted date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
DECLARE
  name text := 'record_' || to_char(wanted, 'YYYYMMDD');
BEGIN
  -- attached, because CREATE TABLE ... PARTITION OF would lock the parent
  EXECUTE format('CREATE TABLE %I (LIKE record INCLUDING ALL)', name);
  PERFORM unsample(name);
  EXECUTE format('ALTER TABLE record ATTACH PARTITION %I FOR VALUES IN (%L)', name, wanted);
  INSERT INTO day (day, state) VALUES (wanted, 'open');
END $$;

-- Delete old erasures with their receipts, and return the count. No role may delete them directly:
-- this function takes only complete ones, oldest first.
CREATE FUNCTION forget_erasures(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
DECLARE
  old uuid[] := ARRAY(
    SELECT id FROM erasure e
    WHERE state = 'complete' AND completed < before
      AND NOT EXISTS (SELECT FROM fence WHERE erasure_id = e.id)
    ORDER BY completed LIMIT most FOR UPDATE SKIP LOCKED
  );
BEGIN
  DELETE FROM receipt WHERE erasure_id = ANY (old);
  DELETE FROM erasure WHERE id = ANY (old);
  RETURN cardinality(old);
END $$;

-- The same for released holds and their audit log. A log entry goes before its hold, and a deferred
-- erasure before the hold that deferred it. The newest hold stays: its number is the last one given.
CREATE FUNCTION forget_holds(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"schema", pg_temp
AS $$
DECLARE
  lines uuid[] := ARRAY(
    SELECT a.id FROM audit a JOIN hold h ON h.id = a.hold_id
    WHERE h.released < before AND h.resumed IS NOT NULL LIMIT most
  );
  old uuid[];
BEGIN
  DELETE FROM audit WHERE id = ANY (lines);
  old := ARRAY(
    SELECT id FROM hold h
    WHERE released < before AND resumed IS NOT NULL
      AND number < (SELECT max(number) FROM hold)
      AND NOT EXISTS (SELECT FROM audit WHERE hold_id = h.id)
      AND NOT EXISTS (SELECT FROM deferral WHERE hold_id = h.id)
    ORDER BY released LIMIT most - cardinality(lines) FOR UPDATE SKIP LOCKED
  );
  DELETE FROM hold WHERE id = ANY (old);
  RETURN cardinality(lines) + cardinality(old);
END $$;
