"""Bugs in consent: what is recorded, what is in force, and what a rotation or a restore loses."""

from tests.mutants.bugs.bug import bug

POLICY = "tests/unit/test_consent.py"
CONSENTS = "tests/integration/test_consents.py"

BUGS = (
    bug(
        "a withdrawal by a process whose clock is behind loses to the consent before it",
        "ledger/consents.py",
        "            now = not_before(consents.said(connection, tenant, names), names, now)\n",
        "            pass\n",
        "tests/integration/test_training_withdrawn.py",
    ),
    bug(
        "a withdrawal of a day counts from its beginning",
        "policy/consent.py",
        "    if kind is ConsentKind.OPT_IN or begins > utc(now):",
        "    if True:",
        POLICY,
    ),
    bug(
        "a consent of a day counts from its end",
        "policy/consent.py",
        "    if kind is ConsentKind.OPT_IN or begins > utc(now):",
        "    if begins > utc(now):",
        POLICY,
    ),
    bug(
        "a refusal of a day that has not begun counts now",
        "policy/consent.py",
        "    if kind is ConsentKind.OPT_IN or begins > utc(now):",
        "    if kind is ConsentKind.OPT_IN:",
        POLICY,
    ),
    bug(
        "a consent that was withdrawn later is recorded",
        "policy/consent.py",
        "        and other.given >= given.given\n",
        "        and False\n",
        POLICY,
    ),
    bug(
        "a refusal of the same moment does not win",
        "policy/consent.py",
        "x.given > refused.given",
        "x.given >= refused.given",
        POLICY,
    ),
    bug(
        "a consent covers what was submitted before",
        "policy/consent.py",
        "x.covers_from <= origin",
        "x.covers_from is not None",
        POLICY,
    ),
    bug(
        "a consent is for every class",
        "policy/consent.py",
        "        return data_class in self.classes and purpose in self.purposes",
        "        return purpose in self.purposes",
        POLICY,
    ),
    bug(
        "a consent is for every class of its wording's topology",
        "policy/consent.py",
        "    if not new.classes <= wording.classes:",
        "    if False:",
        POLICY,
    ),
    bug(
        "a consent is for every purpose",
        "policy/consent.py",
        "    if not new.purposes <= wording.purposes:",
        "    if False:",
        POLICY,
    ),
    bug(
        "a subject does not refuse what its tenant consented to",
        "policy/consent.py",
        "    if mine.reason is ConsentReason.OPTED_OUT:",
        "    if False:",
        POLICY,
    ),
    bug(
        "a tenant does not refuse what its subject consented to",
        "policy/consent.py",
        "    if own.reason is ConsentReason.OPTED_OUT:",
        "    if False:",
        POLICY,
    ),
    bug(
        "a tenant consents for each subject",
        "policy/consent.py",
        "    if not per_subject:",
        "    if True:",
        POLICY,
    ),
    bug(
        "a refusal is lost by a rotation",
        "initialize.py",
        "sealed_names.add_pseudonyms(connection, roots, names) if versions else ()",
        "()",
        CONSENTS,
    ),
    bug(
        "what is replayed matches under old keys alone",
        "ledger/journal.py",
        "        event = renamed(region, event)\n",
        "        pass\n",
        CONSENTS,
    ),
    bug(
        "a process with old keys records what a subject refuses",
        "ledger/consents.py",
        "        check_event(region, connection, tenant)\n",
        "",
        CONSENTS,
    ),
    bug(
        "a tenant that is made again has consented",
        "catalog/consents.py",
        "c.recorded >= made",
        "c.recorded < made",
        CONSENTS,
    ),
    bug(
        "the name of a subject is not sealed",
        "ledger/consent_names.py",
        "    return seal_name(roots, entropy, subject, _context(consent))",
        "    return subject.encode()",
        CONSENTS,
    ),
)
