-- 0043_lines_that_count.py runs this file with the schema of the catalog in the place of "ours".

-- Whether a line has a time of now. The text of one from long ago may be forgotten at once.
CREATE FUNCTION is_recent(given timestamptz) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT abs(extract(epoch FROM given - clock_timestamp())) < 86400
$$;

-- Whether a text is as storage/policy/lines.py reads one: an object of strings, whole numbers and
-- lists of strings, in which no name is there twice.
CREATE FUNCTION is_readable(said json) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT count(*) = count(DISTINCT f.key) AND bool_and(CASE json_typeof(f.value)
    WHEN 'number' THEN f.value::text ~ '^-?[0-9]{1,18}$'
    WHEN 'array' THEN NOT EXISTS (
      SELECT FROM json_array_elements(f.value) e WHERE json_typeof(e.value) <> 'string'
    )
    ELSE json_typeof(f.value) IN ('string', 'null')
  END)
  FROM json_each(said) f
$$;

-- As in 0035, of now, readable, and with the id, the kind and the time of its row in its text. A fact
-- that is null is none in the line either.
CREATE OR REPLACE FUNCTION is_said(what text, facts jsonb, event uuid) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  WITH own AS MATERIALIZED (
    SELECT id, at, text, salt FROM ours.log_line
    WHERE number IS NULL AND xmin = pg_current_xact_id()::xid AND kind = what
      AND commitment = ours.line_commitment(salt, text) AND ours.is_recent(at)
  )
  SELECT EXISTS (
    SELECT FROM own
    WHERE (event IS NULL OR substr(uuid_send(id), 7) = ours.end_of_line(event, what))
      AND ours.is_readable(own.text::json)
      AND own.text::jsonb @> jsonb_build_object(
        'line', id, 'kind', what, 'at', ours.said_moment(at)
      )
      AND jsonb_strip_nulls(facts) = (
        SELECT jsonb_strip_nulls(jsonb_object_agg(f.key, f.value))
        FROM jsonb_each(own.text::jsonb) f WHERE facts ? f.key
      )
  )
$$;

-- As in 0035, and where the tenant is at home, and whether it has backends of its own.
CREATE OR REPLACE FUNCTION said_terms(given tenant) RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'tenant', given.id, 'account', given.account, 'residency', given.residency,
    'service', given.service, 'traits', ours.sorted(given.traits),
    'home', given.home, 'dedicated', given.dedicated::integer,
    'agreements', ours.sorted(ARRAY(
      SELECT a.kind || to_char(a.signed, ' YYYY-MM-DD')
        || CASE WHEN a.since <> a.signed THEN to_char(a.since, '" from "YYYY-MM-DD') ELSE '' END
        || coalesce(to_char(a.until, ' YYYY-MM-DD'), '')
      FROM ours.agreements_of(given.id) a
    )),
    'retention', ours.sorted(ARRAY(
      SELECT r.key || ' ' || r.value FROM jsonb_each_text(given.retention) r
    ))
  )
$$;

CREATE OR REPLACE FUNCTION note_terms() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM ours.note_unless_said(
      'agreement', jsonb_build_object('tenant', OLD.id, 'ended', 'removed'), NULL
    );
  ELSE
    PERFORM ours.note_unless_said('agreement', ours.said_terms(NEW), NULL);
  END IF;
  RETURN NULL;
END $$;
