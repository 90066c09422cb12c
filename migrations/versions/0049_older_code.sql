-- 0049_readable_until.py runs this file with the schema of the catalog in the place of "ours".

-- Older code asks this one. To it, a record whose reading has ended at a moment is erased.
CREATE OR REPLACE FUNCTION readable_record(whose text, which bytea, due date) RETURNS TABLE (
  data_class text, born text, minted timestamptz, origin timestamptz, written timestamptz,
  subject bytea, grp bytea, ancestors bytea[], object_id uuid, start bigint, length bigint,
  size bigint, streamed boolean, incomplete boolean, key_id uuid, wrapped_key bytea,
  sealed_metadata bytea, fingerprint bytea, sealed_flags bytea, origin_date date,
  origin_source bytea, fenced boolean, retention jsonb, replicas uuid[], backends text[], keys text[],
  land_bys timestamptz[], attempts integer[]
)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT
    r.data_class, r.born, r.minted, r.origin, r.written, r.subject, r.grp, r.ancestors, r.object_id,
    r.start, r.length, r.size, r.streamed, r.incomplete, r.key_id, r.wrapped_key, r.sealed_metadata,
    r.fingerprint, r.sealed_flags, r.origin_date, r.origin_source,
    r.fenced OR (r.readable_until <= clock_timestamp()) IS TRUE,
    r.retention, r.replicas, r.backends, r.keys, r.land_bys, r.attempts
  FROM ours.readable_row(whose, which, due) r;
END $$;
