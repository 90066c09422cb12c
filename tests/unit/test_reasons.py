"""Reason codes are printed, stored and returned to callers, so their values stay."""

from enum import StrEnum

import pytest

from storage.cli.reason_texts import REASONS
from storage.model import PlacementReason
from storage.policy import (
    AbsenceReason,
    AccessReason,
    AgreementReason,
    ConsentReason,
    CopyTermReason,
    DeletionReason,
    DestroyReason,
    Done,
    EndReason,
    EpochReason,
    ExitReason,
    Finding,
    GrantReason,
    HandOverReason,
    HoldReason,
    NoticeReason,
    ObjectionReason,
    OriginReason,
    PermitReason,
    PlanReason,
    RetentionReason,
    RetireReason,
    Stage,
    Standing,
    TrainingReason,
)

CODES: dict[type[StrEnum], str] = {
    AbsenceReason: "absent left may_still_land",
    AccessReason: "allowed erased expired unknown_class purpose_not_allowed "
    "service_not_allowed form_not_available screening_only actor_not_allowed login_of_person "
    "not_held unknown_actor actor_differs actor_not_in_force "
    "actor_without_agreement outside_residency no_grant grant_for_another outside_grant "
    "grant_not_approved grant_expired grant_exhausted grant_revoked no_human_review "
    "customer_not_asked not_flagged for_return_alone no_run consent_stale company_objected_to held "
    "flagged origin_ahead origin_unstated today_unstated not_opted_in opted_out "
    "no_subject",
    ConsentReason: "allowed unknown_wording wording_not_in_use class_not_in_wording "
    "purpose_not_in_wording purpose_without_consent given_in_the_future older_than_withdrawal "
    "not_a_process opted_in opted_out subject_opted_out nothing_said not_covered no_subject",
    AgreementReason: "signed_in_future before_founded ends_before_it_begins "
    "baa_without_enterprise superseded_already another_kind unknown_tenant",
    CopyTermReason: "allowed too_short",
    DeletionReason: "gone may_still_land before_delivery in_the_future",
    DestroyReason: "allowed held not_given_up not_there not_purging day_not_expiring day_not_over "
    "announced in_grace not_requested",
    Done: "purged purging replacing moving waiting unmended",
    EndReason: "allowed not_empty not_retiring not_retired",
    EpochReason: "added changed taken_away",
    ExitReason: "allowed person_not_in_force unknown_tenant day_not_ahead replaced carried_out "
    "lapsed notice_missing confirmer_requested_it day_ahead not_confirmed agreement_in_force "
    "recovering",
    Finding: "missing wrong_size corrupt leftover came_back wrong_place orphan foreign",
    GrantReason: "wrong_time login_not_in_force not_roster_keeper own_entry login_taken "
    "not_for_customers not_a_code no_agreement roster_full unknown_tenant purpose_not_granted "
    "no_human_review actor_not_in_force outside_residency employer_objected hold_missing "
    "hold_without_legal hold_not_in_force case_missing wider_than_said approver_is_requester "
    "approver_is_user not_the_customer revoked expired not_approved customer_has_not_approved "
    "exhausted another_actor",
    HandOverReason: "allowed not_storable unknown_processor no_connector service_not_allowed "
    "form_not_available outside_residency sub_processor_not_yet sub_processor_ended objected "
    "sub_processor_baa_missing",
    HoldReason: "allowed hold_released hold_not_confirmed foreign_authority_undecided "
    "foreign_authority_refused person_not_in_force confirmer_stands_for_it approver_requested_it "
    "wider_than_said not_a_process not_recovering",
    NoticeReason: "too_soon has_begun",
    ObjectionReason: "allowed unknown_company steward too_few_left",
    PlacementReason: "allowed spare other_region outside_residency sub_processor_not_yet "
    "sub_processor_ended sub_processor_leaving backend_retires not_dedicated objected "
    "posture_bad posture_unreadable posture_unknown "
    "catalog_sub_processor_not_yet catalog_sub_processor_ended "
    "keys_sub_processor_not_yet keys_sub_processor_ended backups_sub_processor_not_yet "
    "backups_sub_processor_ended sub_processor_baa_missing catalog_baa_missing keys_baa_missing "
    "backups_baa_missing catalog_objected keys_objected backups_objected "
    "unknown_class service_not_served unknown_residency unknown_home "
    "no_room dpa_missing dpa_not_yet dpa_expired enterprise_missing enterprise_not_yet "
    "enterprise_expired baa_missing baa_not_yet baa_expired use_case_missing use_case_not_yet "
    "use_case_expired confidentiality_missing confidentiality_not_yet confidentiality_expired",
    OriginReason: "origin_ahead past_its_end never_readable",
    PermitReason: "permit_needed permit_other_region permit_expired permit_early "
    "permit_before_start permit_replayed opening_not_counted self_approved approver_not_pinned "
    "signature_invalid unknown_record",
    RetireReason: "allowed not_declared too_few_left",
    Stage: "proposed provisioned attested routable retiring retired",
    Standing: "open not_yet leaving ended",
    PlanReason: "nothing_alive survivors expires_first",
    RetentionReason: "class_retention tenant_retention ceiling epoch_ceiling until_deleted "
    "expiry_day zero_retention too_short floor record_retention",
    TrainingReason: "allowed origin_ahead origin_unstated today_unstated not_opted_in opted_out "
    "no_subject",
}


@pytest.mark.parametrize("codes", CODES, ids=lambda enum: enum.__name__)
def test_every_code_keeps_its_value(codes: type[StrEnum]) -> None:
    """A new code is added to the list; an old one is never changed."""
    assert [str(code) for code in codes] == CODES[codes].split()


def test_every_reason_of_a_refused_opening_has_a_text() -> None:
    """A person at a terminal reads no code. Erased and Expired are errors of their own."""
    codes = {*map(str, AccessReason), *map(str, PermitReason)} - {"erased", "expired"}

    assert codes <= REASONS.keys()
