-- Lines about what logins do with raw SQL, and guards of what a worker could do alone. 0035_raw_sql.py
-- runs this file with the schema of the catalog in the place of "ours".

-- In which transaction the catalog began to count as restored.
ALTER TABLE catalog_info ADD COLUMN declared text;

CREATE FUNCTION is_recovering() RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM ours.catalog_info WHERE identity IS NULL OR unread <> '{}')
$$;

-- A recovery does not end in the transaction in which it began: what is replayed in it is true only
-- when others see that the catalog is being recovered, and the line about that.
CREATE FUNCTION guard_recovery() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  here text := pg_current_xact_id()::text;
  was boolean := OLD.identity IS NULL OR OLD.unread <> '{}';
  continues boolean := NEW.identity IS NULL OR NEW.unread <> '{}';
BEGIN
  IF continues AND NOT was THEN
    NEW.declared := here;
  ELSIF was AND NOT continues AND NEW.declared = here THEN
    RAISE EXCEPTION 'a recovery ends later than it begins'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'catalog_info_recovery';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER catalog_info_declared BEFORE UPDATE ON catalog_info FOR EACH ROW
EXECUTE FUNCTION guard_recovery();

-- As in 0021. The hold of a process that died becomes true, but what the ledger says of people does
-- so only in a recovery: who stands for the hold must say so again.
CREATE OR REPLACE FUNCTION replay_hold(new jsonb, excluded jsonb, who text, by_login text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.check_process();
  IF ours.is_recovering() THEN
    RETURN ours.insert_hold(new, excluded, who, by_login);
  END IF;
  RETURN ours.insert_hold(new, excluded, NULL, session_user);
END $$;

-- What a salt and a text are committed to, as storage/tlog/commitments.py computes it.
CREATE FUNCTION line_commitment(salted bytea, said text) RETURNS bytea LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT '\x01'::bytea || sha256(
    convert_to('domicile log line v1', 'UTF8') || '\x00'::bytea || salted || convert_to(said, 'UTF8')
  )
$$;

-- The end of the id of a line about an event of the ledger, as line_of in storage/catalog/log.py.
CREATE FUNCTION end_of_line(event uuid, what text) RETURNS bytea LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  digest bytea := substr(sha256(
    convert_to('domicile log line of an event', 'UTF8') || '\x00'::bytea || convert_to(what, 'UTF8')
    || uuid_send(event)
  ), 1, 10);
BEGIN
  digest := set_byte(digest, 0, get_byte(digest, 0) & 15 | 112);
  RETURN set_byte(digest, 2, get_byte(digest, 2) & 63 | 128);
END $$;

-- Whether this transaction has added a line that says these facts, and maybe others. Given an event,
-- the line must be the one about it.
CREATE FUNCTION is_said(what text, facts jsonb, event uuid) RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  WITH own AS MATERIALIZED (
    SELECT id, text, salt FROM ours.log_line
    WHERE number IS NULL AND xmin = pg_current_xact_id()::xid AND kind = what
      AND commitment = ours.line_commitment(salt, text)
  )
  SELECT EXISTS (
    SELECT FROM own
    WHERE (event IS NULL OR substr(uuid_send(id), 7) = ours.end_of_line(event, what))
      AND jsonb_strip_nulls(facts) = (
        SELECT jsonb_object_agg(f.key, f.value) FROM jsonb_each(own.text::jsonb) f
        WHERE jsonb_strip_nulls(facts) ? f.key
      )
  )
$$;

-- Add a line at the end of a transaction, unless the code that made the change has done so.
CREATE FUNCTION note_unless_said(what text, facts jsonb, event uuid, more jsonb DEFAULT '{}')
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT ours.is_said(what, facts, event) THEN
    PERFORM ours.add_log_line(what, facts || more, clock_timestamp());
  END IF;
END $$;

-- Whether this session replays what others did: code that does notes it under its old time.
CREATE FUNCTION is_replaying() RETURNS boolean LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT ours.is_recovering() AND ours.person_of_session() IS NULL
$$;

CREATE FUNCTION sorted(names text[]) RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(jsonb_agg(n ORDER BY n COLLATE "C"), '[]') FROM unnest(names) n
$$;

-- The terms of a tenant, as _terms in storage/catalog/tenants.py.
CREATE FUNCTION said_terms(given tenant) RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'tenant', given.id, 'account', given.account, 'residency', given.residency,
    'service', given.service, 'traits', ours.sorted(given.traits),
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

CREATE FUNCTION note_terms() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM ours.note_unless_said(
      'agreement', jsonb_build_object('tenant', OLD.id, 'ended', 'removed'), NULL
    );
  ELSE
    PERFORM ours.note_unless_said(
      'agreement', ours.said_terms(NEW), NULL,
      jsonb_build_object('home', NEW.home, 'dedicated', NEW.dedicated::integer)
    );
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER tenant_line AFTER INSERT OR DELETE ON tenant
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_terms();
CREATE CONSTRAINT TRIGGER tenant_changed_line AFTER UPDATE ON tenant
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (to_jsonb(OLD) - 'version' IS DISTINCT FROM to_jsonb(NEW) - 'version')
EXECUTE FUNCTION note_terms();

-- An agreement is in a line of its own, or in that of the terms of its tenant.
CREATE FUNCTION note_agreement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  terms jsonb := (SELECT ours.said_terms(h) FROM ours.tenant h WHERE h.id = NEW.tenant);
BEGIN
  IF terms IS NULL OR NOT ours.is_said('agreement', terms, NULL) THEN
    PERFORM ours.note_unless_said('agreement', jsonb_build_object(
      'tenant', NEW.tenant, 'agreement', NEW.id, 'agreement_kind', NEW.kind,
      'document', NEW.document, 'signed', NEW.signed, 'since', NEW.since, 'until', NEW.until,
      'supersedes', NEW.supersedes
    ), NULL);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER agreement_entry_line AFTER INSERT ON agreement_entry
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_agreement();

CREATE FUNCTION said_exit(given exit_choice) RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object(
    'tenant', given.tenant, 'exit', given.id, 'exit_kind', given.kind, 'exit_on', given.exit_on,
    'document', given.document, 'requested_by', given.actor
  )
$$;

CREATE FUNCTION note_exit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.note_unless_said('agreement', ours.said_exit(NEW), NULL);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER exit_choice_line AFTER INSERT ON exit_choice
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_exit();

CREATE FUNCTION note_exit_step() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.note_unless_said('agreement', ours.said_exit(c) || CASE NEW.step
    WHEN 'notice' THEN jsonb_build_object('notice', NEW.document)
    ELSE jsonb_build_object('confirmed_by', NEW.actor)
  END, NULL)
  FROM ours.exit_choice c WHERE c.id = NEW.choice_id;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER exit_step_line AFTER INSERT ON exit_step
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.step <> 'erasure')
EXECUTE FUNCTION note_exit_step();

-- The digest of what a hold does not keep, as _digest in storage/ledger/lines.py. "change": of what a
-- narrowing took out.
CREATE FUNCTION excluded_digest(which uuid, change uuid) RETURNS text LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT encode(sha256(convert_to('[' || string_agg(format(
    '{"accounts": %s, "classes": %s, "minted_from": %s, "minted_to": %s, "tenants": %s}',
    coalesce(to_jsonb(x.accounts), '[]'), coalesce(to_jsonb(x.classes), '[]'),
    coalesce('"' || replace(ours.said_moment(x.minted_from), '+00:00', 'Z') || '"', 'null'),
    coalesce('"' || replace(ours.said_moment(x.minted_to), '+00:00', 'Z') || '"', 'null'),
    coalesce(to_jsonb(x.tenants), '[]')
  ), ', ' ORDER BY x.number) || ']', 'UTF8')), 'hex')
  FROM ours.hold_carve_out x
  WHERE x.hold_id = which AND x.change_id IS NOT DISTINCT FROM change
$$;

-- A hold is placed, or somebody stands for it: as the first, or as the second person.
CREATE FUNCTION note_hold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  facts jsonb := jsonb_build_object('hold', NEW.id, 'tenant', NEW.tenant);
BEGIN
  IF ours.is_replaying() THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM ours.note_unless_said('hold_placed', facts || jsonb_build_object(
      'account', NEW.account, 'scope', NEW.scope, 'classes', ours.sorted(NEW.classes),
      'review', NEW.review, 'jurisdiction', NEW.authority_jurisdiction, 'document', NEW.document,
      'sponsor', NEW.sponsor, 'excluded', ours.excluded_digest(NEW.id, NULL)
    ), NEW.id);
  ELSE
    PERFORM ours.note_unless_said('hold_confirmed', facts || jsonb_build_object('by', CASE
      WHEN OLD.sponsor IS DISTINCT FROM NEW.sponsor THEN NEW.sponsor ELSE NEW.confirmed_by
    END), NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold_line AFTER INSERT ON hold
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_hold();
CREATE CONSTRAINT TRIGGER hold_confirmed_line AFTER UPDATE ON hold
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ((OLD.sponsor, OLD.confirmed_by) IS DISTINCT FROM (NEW.sponsor, NEW.confirmed_by))
EXECUTE FUNCTION note_hold();

-- A change of a hold is requested, or approved and in force.
CREATE FUNCTION note_hold_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  facts jsonb := jsonb_build_object(
    'hold', NEW.hold_id, 'tenant', (SELECT tenant FROM ours.hold WHERE id = NEW.hold_id),
    'requested_by', NEW.requested_by, 'approved_by', NEW.approved_by
  );
  changed jsonb := jsonb_build_object('change', NEW.kind);
BEGIN
  IF ours.is_replaying() THEN
    RETURN NULL;
  END IF;
  IF NEW.approved IS NULL THEN
    PERFORM ours.add_log_line(
      'hold_changed', facts || changed || jsonb_build_object('request', NEW.id), NEW.requested
    );
  ELSIF NEW.kind = 'release' THEN
    PERFORM ours.note_unless_said('hold_released', facts, NEW.id);
  ELSE
    PERFORM ours.note_unless_said('hold_changed', facts || changed || CASE NEW.kind
      WHEN 'narrowing' THEN
        jsonb_build_object('excluded', ours.excluded_digest(NEW.hold_id, NEW.id))
      ELSE jsonb_build_object('document', NEW.document, 'permitted', NEW.permitted::integer)
    END, NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold_change_line AFTER INSERT ON hold_change
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_hold_change();
CREATE CONSTRAINT TRIGGER hold_change_approved_line AFTER UPDATE ON hold_change
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.approved IS NULL AND NEW.approved IS NOT NULL)
EXECUTE FUNCTION note_hold_change();

-- What an erasure waits for stays until it is gone. An object that was being written, checked the
-- fence, and was stored has nothing that the erasure covers. A subquery for each row, here and below:
-- so it is one look into an index, whatever the planner expects.
CREATE FUNCTION guard_awaited_objects() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM deleted d WHERE (
    SELECT o.state <> 'gone' AND (d.holds_ranges OR o.size IS NULL)
    FROM ours.object o WHERE o.id = d.object_id
  )) THEN
    RAISE EXCEPTION 'an erasure waits for an object that is there'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'erasure_object_awaited';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER erasure_object_awaited AFTER DELETE ON erasure_object
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION guard_awaited_objects();

-- Nor is it forgotten where such an object is. What is pruned is gone, so this looks for nothing more.
CREATE FUNCTION guard_awaited_replicas() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM deleted d WHERE d.state <> 'gone' AND (
    SELECT count(*) > 0 FROM ours.erasure_object e WHERE e.object_id = d.object_id
  )) THEN
    RAISE EXCEPTION 'an erasure waits for a replica that is there'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'replica_awaited';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER replica_awaited AFTER DELETE ON replica
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION guard_awaited_replicas();

CREATE FUNCTION guard_awaited_copies() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM deleted d WHERE (
    SELECT c.state <> 'confirmed' FROM ours.processor_copy c WHERE c.id = d.copy_id
  )) THEN
    RAISE EXCEPTION 'an erasure waits for a copy that is not confirmed to be gone'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'erasure_copy_awaited';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER erasure_copy_awaited AFTER DELETE ON erasure_copy
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION guard_awaited_copies();

-- A fence stays until no write can meet it, and its erasure is complete.
CREATE FUNCTION guard_fences() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM ours.check_not_ahead(max(until)) FROM deleted;
  IF EXISTS (SELECT FROM deleted d WHERE (
    SELECT e.state <> 'complete' FROM ours.erasure e WHERE e.id = d.erasure_id
  )) THEN
    RAISE EXCEPTION 'the erasure of a fence is not complete'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'fence_in_force';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER fence_in_force AFTER DELETE ON fence
REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION guard_fences();

-- No code changes such rows otherwise.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'this row does not change so'
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;
CREATE TRIGGER erasure_object_changed BEFORE UPDATE ON erasure_object FOR EACH ROW
WHEN ((OLD.erasure_id, OLD.object_id) IS DISTINCT FROM (NEW.erasure_id, NEW.object_id)
  OR OLD.holds_ranges AND NEW.holds_ranges IS NOT TRUE)
EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fence_changed BEFORE UPDATE ON fence FOR EACH ROW
WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION refuse_change();
