-- Forget what was handed out for training or fine-tuning before a moment; return how many records and
-- reads. 0037_training_forgotten.py runs this file with the schema of the catalog in the place of "ours".
--
-- A use stays while its record does, while an erasure of its tenant is open, and until its run has
-- confirmed, before that moment too, that it has nothing of what an erasure took. "of_reads" and
-- "of_uids" are the uses that may go: the worker looks for their rows in "record", which it owns, so that
-- no code of its own runs with the rights of the owner.
CREATE FUNCTION forget_training(
  before timestamptz, of_reads uuid[], of_uids bytea[], most integer
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  cutoff timestamptz := least(before, ours.forgettable_before());
  uses integer;
  reads integer;
BEGIN
  WITH over AS (
    SELECT u.read_id, u.uid FROM unnest(of_reads, of_uids) AS given (read_id, uid)
    JOIN ours.training_use u ON u.read_id = given.read_id AND u.uid = given.uid
    WHERE u.at < cutoff
      AND NOT EXISTS (SELECT FROM ours.file f WHERE f.tenant = u.tenant AND f.uid = u.uid)
      AND NOT EXISTS (SELECT FROM ours.held h WHERE h.tenant = u.tenant AND h.uid = u.uid)
      AND NOT EXISTS (
        SELECT FROM ours.erasure e WHERE e.tenant = u.tenant AND e.state <> 'complete'
      )
      AND NOT EXISTS (
        SELECT FROM ours.training_exclusion x
        WHERE x.read_id = u.read_id AND x.uid = u.uid AND NOT EXISTS (
          SELECT FROM ours.training_confirmation k
          WHERE k.read_id = x.read_id AND k.listed >= x.at AND k.confirmed < cutoff
        )
      )
    FOR UPDATE OF u SKIP LOCKED
  ), listed AS (
    DELETE FROM ours.training_exclusion x USING over o
    WHERE x.read_id = o.read_id AND x.uid = o.uid
  )
  DELETE FROM ours.training_use u USING over o WHERE u.read_id = o.read_id AND u.uid = o.uid;
  GET DIAGNOSTICS uses = ROW_COUNT;

  WITH over AS (
    SELECT r.id FROM ours.training_read r
    WHERE r.began < cutoff
      AND NOT EXISTS (SELECT FROM ours.training_use u WHERE u.read_id = r.id)
      AND NOT EXISTS (SELECT FROM ours.erasure_training w WHERE w.read_id = r.id)
      AND NOT EXISTS (
        SELECT FROM ours.training_confirmation k WHERE k.read_id = r.id AND k.confirmed >= cutoff
      )
    ORDER BY r.began LIMIT most FOR UPDATE OF r SKIP LOCKED
  ), confirmed AS (
    DELETE FROM ours.training_confirmation k USING over o WHERE k.read_id = o.id
  )
  DELETE FROM ours.training_read r USING over o WHERE r.id = o.id;
  GET DIAGNOSTICS reads = ROW_COUNT;
  RETURN uses + reads;
END $$;
