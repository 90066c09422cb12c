-- As in 0027, but the objections of the tenant end with it. 0032_forgotten.py runs this file with the
-- schema of the catalog in the place of "ours".
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
  INSERT INTO ours.tenant_removal (tenant, last_agreement, last_choice, at, login)
  SELECT whose, coalesce(agreements.last, 0), coalesce(choices.last, 0), clock_timestamp(), session_user
  FROM (SELECT max(number) AS last FROM ours.agreement_entry WHERE tenant = whose) AS agreements,
    (SELECT max(number) AS last FROM ours.exit_choice WHERE tenant = whose) AS choices
  WHERE agreements.last IS NOT NULL OR choices.last IS NOT NULL;
  INSERT INTO ours.objection (kind, tenant, company, actor, ticket, at)
  SELECT 'withdrawn', whose, company, session_user, 'tenant removed', clock_timestamp()
  FROM ours.objection_in_force WHERE tenant = whose;
  DELETE FROM ours.objection_in_force WHERE tenant = whose;
  DELETE FROM ours.tenant WHERE id = whose;
  IF ours.has_records(whose) THEN
    RAISE EXCEPTION 'something of the tenant is left';
  END IF;
END $$;

-- Forget a batch of objections that were withdrawn before a moment, each with all that the tenant said
-- before about the company; return how many.
CREATE FUNCTION forget_objections(before timestamptz, most integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH ended AS (
    SELECT tenant, company, max(number) AS last FROM ours.objection
    WHERE kind = 'withdrawn' AND at < least(before, ours.forgettable_before())
    GROUP BY tenant, company LIMIT most
  ), forgotten AS (
    DELETE FROM ours.objection o USING ended e
    WHERE o.tenant = e.tenant AND o.company = e.company AND o.number <= e.last
  )
  SELECT count(*)::integer FROM ended
$$;

-- Forget a batch of entries that ended before a moment; return how many. An entry ends when the actor
-- gets another, on its last day, or when it is made if it suspends. What an actor has last goes last:
-- an older entry never counts again.
CREATE FUNCTION forget_roster(before timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  forgotten integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('roster', 0));
  WITH ended AS (
    SELECT e.number FROM (
      SELECT number, entered, CASE WHEN suspended THEN entered END AS suspended,
        until::timestamp AT TIME ZONE 'UTC' AS until,
        lead(entered) OVER (PARTITION BY actor ORDER BY number) AS replaced
      FROM ours.roster
    ) e
    WHERE greatest(e.entered, least(e.replaced, e.suspended, e.until))
        < least(before, ours.forgettable_before())
      AND num_nonnulls(e.replaced, e.suspended, e.until) > 0
    ORDER BY e.number LIMIT most
  )
  DELETE FROM ours.roster r USING ended WHERE r.number = ended.number;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;
