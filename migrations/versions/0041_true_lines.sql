-- 0041_true_lines.py runs this file with the schema of the catalog in the place of "ours".

-- As in 0023. "signed": the size of the newest checkpoint that is on its backends, as the caller has
-- verified it. What a line says is in no object before that.
DROP FUNCTION forget_log_lines(timestamptz, integer);
CREATE FUNCTION forget_log_lines(before timestamptz, most integer, signed bigint DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten integer;
BEGIN
  signed := coalesce(signed, (
    SELECT max(size) FROM ours.log_checkpoint WHERE size <= ours.next_log_number()
  ), 0);
  UPDATE ours.log_line SET text = NULL, salt = NULL
  WHERE id IN (
    SELECT id FROM ours.log_line
    WHERE text IS NOT NULL AND at < before AND at < ours.forgettable_before() AND number < signed
    ORDER BY number LIMIT most FOR UPDATE SKIP LOCKED
  );
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;
