"""Texts for the reason codes of decisions about placement, and about who may open a record."""

from collections.abc import Mapping

from storage.cli.use_texts import TRAINING

REASONS: Mapping[str, str] = {
    "allowed": "lawful and chosen",
    "spare": "lawful, but enough other backends come first",
    "other_region": "outside the tenant's home region",
    "outside_residency": "outside the residency that the tenant asked for",
    "unknown_processor": "the topology has no such sub-processor",
    "no_connector": "that sub-processor has no connector to hand a copy over",
    "service_not_allowed": "records of this class are not given to processors of that service",
    "form_not_available": "that service gets a form of content that this version cannot make",
    "too_short": "the copy would have to be deleted at once",
    "unknown_class": "the topology has no such data class",
    "service_not_served": "tenants of this service are not served",
    "unknown_residency": "the topology has no such residency",
    "unknown_home": "the topology has no such home region",
    "sub_processor_not_yet": "the sub-processor's agreement has not begun",
    "sub_processor_ended": "the sub-processor's agreement has ended",
    "sub_processor_leaving": "the sub-processor's agreement ends soon: it is being emptied",
    "posture_bad": "its bucket does what it must not",
    "posture_unreadable": "its bucket does not show what it does",
    "posture_unknown": "its bucket has not been read for five minutes",
    "not_dedicated": "the tenant has backends of its own, and this is none of them",
    "objected": "the tenant objects to the sub-processor",
    "sub_processor_baa_missing": "no BAA with the sub-processor is in force",
    "backend_retires": "the backend retires: it is being emptied",
    # who may open a record
    "purpose_not_allowed": "records of this class are not opened for that purpose",
    "screening_only": "for that purpose content goes to a classifier alone",
    "actor_not_allowed": "an actor of that kind opens nothing for that purpose",
    "login_of_person": "the login to the catalog is a person's, who opens as nobody else",
    "not_held": "the hold is not in force, or does not cover the record",
    "unknown_actor": "the roster does not have the actor",
    "actor_differs": "the roster says something else of the actor",
    "actor_not_in_force": "the actor may not act today, or is suspended",
    "actor_without_agreement": "a contractor needs a confidentiality agreement",
    "no_grant": "people need a grant, and there is none of that id",
    "grant_for_another": "the grant is for another actor, tenant or purpose",
    "outside_grant": "the grant does not cover the record",
    "grant_not_approved": "an approval of the grant is missing",
    "grant_expired": "the time of the grant is over",
    "grant_exhausted": "as many records as the grant allows were opened",
    "grant_revoked": "the grant was revoked",
    "no_human_review": "the customer allows nobody to look into its content for abuse",
    "customer_not_asked": "the customer has not approved the grant, as its terms require",
    "not_flagged": "the record is not flagged, and the grant names no case",
    "for_return_alone": "no data processing agreement is in force: the data is for return alone",
    "no_run": "records are handed out for training to a run alone",
    "consent_stale": "what is known of consent is too old: try again",
    "company_objected_to": "the tenant objects to the company that runs the machine",
    **TRAINING,
    # what a key service refuses
    "permit_needed": "without a permit that key does not leave the key service",
    "permit_other_region": "the permit is of another region",
    "permit_expired": "the permit is too old",
    "permit_early": "the permit is of the future: the clocks differ",
    "permit_before_start": "the permit was issued before the key service started: try again",
    "permit_replayed": "the permit was used before",
    "opening_not_counted": "the opening is not counted against the grant",
    "self_approved": "nobody but its requester or user approved the grant",
    "approver_not_pinned": "no approver of the grant has a key that is pinned",
    "signature_invalid": "the key that is pinned for the approver did not sign the grant",
    "unknown_record": "the catalog does not have the record",
}

_ROLES = {"catalog": "the catalog's", "keys": "the keys'", "backups": "the backups'"}
_STATES = {
    "sub_processor_not_yet": "sub-processor's agreement has not begun",
    "sub_processor_ended": "sub-processor's agreement has ended",
    "objected": "sub-processor is one that the tenant objects to",
    "baa_missing": "sub-processor has no BAA in force",
}
_AGREEMENTS = {
    "dpa": "a DPA",
    "baa": "a BAA",
    "enterprise": "an enterprise agreement",
    "use_case": "a qualifying use case",
    "confidentiality": "a confidentiality agreement",
}
_LAPSES = {
    "missing": "is required and was never signed",
    "not_yet": "is required and takes effect later",
    "expired": "is required and has ended",
}


def reason_text(code: str) -> str:
    """Return the text for a reason code of ``storage.policy``; an unknown code as words."""
    if code in REASONS:
        return REASONS[code]
    subject, _, state = code.partition("_")
    if subject in _ROLES and state in _STATES:
        return f"{_ROLES[subject]} {_STATES[state]}"
    for kind, name in _AGREEMENTS.items():
        lapse = code.removeprefix(f"{kind}_")
        if lapse != code and lapse in _LAPSES:
            return f"{name} {_LAPSES[lapse]}"
    return code.replace("_", " ")
