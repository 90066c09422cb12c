-- 0049_readable_until.py runs this file with the schema of the catalog in the place of "ours".

-- A login of a service may replace metadata, and no more: not remove it, nor put back what was
-- replaced under its number, nor change an event. What a hold keeps, code refuses.
CREATE FUNCTION guard_metadata() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.sealed_metadata IS NULL OR NEW.metadata_version <> OLD.metadata_version + 1
    OR OLD.data_class = 'event'
  THEN
    RAISE EXCEPTION 'metadata is replaced by its next version'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'metadata_version';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER record_metadata BEFORE UPDATE OF sealed_metadata, metadata_version ON record
FOR EACH ROW EXECUTE FUNCTION guard_metadata();
CREATE TRIGGER file_metadata BEFORE UPDATE OF sealed_metadata, metadata_version ON file
FOR EACH ROW EXECUTE FUNCTION guard_metadata();

-- What reading a record needs: its row, whether an erasure covers it, the retention that its tenant
-- set, and the stored replicas of its pack. All is as of one moment, since the function is stable.
-- What is fenced is said in storage/catalog/records.py too, and is the same there.
--
-- The row is looked for apart: planned with the day, a query locks one partition and not all of them.
-- The other plans are kept for as long as the session: one made while a table was small, too.
CREATE FUNCTION readable_row(whose text, which bytea, due date) RETURNS TABLE (
  data_class text, born text, minted timestamptz, origin timestamptz, written timestamptz,
  subject bytea, grp bytea, ancestors bytea[], object_id uuid, start bigint, length bigint,
  size bigint, streamed boolean, incomplete boolean, key_id uuid, wrapped_key bytea,
  sealed_metadata bytea, fingerprint bytea, sealed_flags bytea, origin_date date,
  origin_source bytea, metadata_version integer, readable_until timestamptz, fenced boolean, retention jsonb, replicas uuid[], backends text[], keys text[],
  land_bys timestamptz[], attempts integer[]
)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
  r pg_catalog.record;
BEGIN
  IF due IS NULL THEN
    SELECT * INTO r FROM ours.file x WHERE x.tenant = whose AND x.uid = which;
  ELSE
    SELECT * INTO r FROM ours.record x
    WHERE x.tenant = whose AND x.uid = which AND x.expiry_day = due;
  END IF;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  RETURN QUERY SELECT
    r.data_class, r.born, r.minted, r.origin, r.written, r.subject, r.grp, r.ancestors, r.object_id,
    r.start, r.length, r.size, r.streamed, r.incomplete, r.key_id, r.wrapped_key, r.sealed_metadata,
    r.fingerprint, r.sealed_flags, r.origin_date, r.origin_source,
    r.metadata_version, r.readable_until,
    EXISTS (
      SELECT FROM ours.fence f WHERE f.tenant = whose AND f.scope = 'class'
        AND f.value = convert_to(r.data_class, 'UTF8') AND f.cutoff >= r.minted
    ) OR EXISTS (
      SELECT FROM ours.fence f WHERE f.tenant = whose AND f.scope = 'tenant' AND f.value = ''
        AND f.cutoff >= r.origin AND (r.data_class = 'event' AND r.minted > f.spared_from) IS NOT TRUE
    ) OR EXISTS (
      SELECT FROM ours.fence f WHERE f.tenant = whose AND f.scope = 'subject' AND f.value = r.subject
        AND f.cutoff >= r.origin AND (r.data_class = 'event' AND r.minted > f.spared_from) IS NOT TRUE
    ) OR EXISTS (
      SELECT FROM ours.fence f WHERE f.tenant = whose AND f.scope = 'group' AND f.value = r.grp
        AND f.cutoff >= r.origin AND (r.data_class = 'event' AND r.minted > f.spared_from) IS NOT TRUE
    ) OR EXISTS (
      SELECT FROM ours.fence f WHERE f.tenant = whose AND f.scope = 'record'
        AND f.value = ANY (array_append(coalesce(r.ancestors, '{}'), r.uid))
        AND f.cutoff >= r.origin AND (r.data_class = 'event' AND r.minted > f.spared_from) IS NOT TRUE
    ),
    (SELECT t.retention FROM ours.tenant t WHERE t.id = whose),
    s.ids, s.backends, s.keys, s.land_bys, s.attempts
  FROM (
    SELECT array_agg(p.id), array_agg(p.backend), array_agg(p.key), array_agg(p.land_by),
      array_agg(p.attempts)
    FROM ours.replica p WHERE p.object_id = r.object_id AND p.state = 'stored'
  ) AS s (ids, backends, keys, land_bys, attempts);
END $$;
