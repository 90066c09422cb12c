"""Consent records as JSON-LD, in terms of the W3C Data Privacy Vocabulary (DPV).

The fields are those of ISO/IEC TS 27560:2023. Which DPV term has which field: the guide of the
W3C Community Group, https://w3id.org/dpv/guides/consent-27560 ("Mappings of Terms"); the schema
that a record names is https://w3id.org/dpv/schema/dpv-27560#record. Mandatory fields that Domicile
does not know (name, address and contact of the controller, where a notice can be read, how to
withdraw) are for whoever passes the record on: the record names who and which notice by their ids.

A statement is one event of a record. A consent is ``dpv:ConsentGiven``, a withdrawal
``dpv:ConsentWithdrawn``, and a refusal of a time in which nobody asked ``dpv:ConsentRefused``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from regions.model import DataClass, Purpose, Region, Topology
from storage.model import Consent, ConsentKind, TenantSpec

SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
CONTEXT: Final[Mapping[str, object]] = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_STATES: Final[Mapping[ConsentKind, str]] = {
    ConsentKind.OPT_IN: "dpv:ConsentGiven",
    ConsentKind.WITHDRAWAL: "dpv:ConsentWithdrawn",
    ConsentKind.OPT_OUT: "dpv:ConsentRefused",
}

Said = tuple[Consent, tuple[bytes, ...]]
"""A statement, and the pseudonyms of its subject."""


def consent_records(
    topology: Topology,
    region: Region,
    tenant: TenantSpec,
    said: Sequence[Said],
    *,
    name: str | None,
) -> dict[str, object]:
    """Return the records. ``name``: the subject of all of them, if the caller named one."""
    graph = [
        _record(topology, region, tenant, one, principal=_principal(tenant, one, names, name))
        for one, names in said
    ]
    return {"@context": dict(CONTEXT), "@graph": graph}


def _record(
    topology: Topology,
    region: Region,
    tenant: TenantSpec,
    said: Consent,
    *,
    principal: str,
) -> dict[str, object]:
    process: dict[str, object] = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": [_purpose(purpose) for purpose in said.purposes],
        "dpv:hasPersonalData": [_data(data_class) for data_class in said.classes],
        "dpv:hasStorageCondition": [
            {"@type": "dpv:StorageLocation", "dpv:hasLocation": region.jurisdiction},
            *_durations(topology, tenant, said.classes),
        ],
        "dpv:hasRecipient": {"@type": "dpv:Recipient", "dct:identifier": tenant.account},
    }
    status = {
        "@type": _STATES[said.kind],
        "dct:date": _moment(said.given.isoformat()),
        "dpv:isIndicatedAtTime": _moment(said.given.isoformat()),
        "dpv:isIndicatedBy": {"dct:identifier": said.by},
    }
    if said.covers_from is not None:
        status["dct:valid"] = f"{said.covers_from}/.."  # an interval that is open: ISO 8601-2
    record: dict[str, object] = {
        "@id": f"urn:uuid:{said.id}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": str(said.id),
        "dct:conformsTo": SCHEMA,
        "dct:created": _moment(said.recorded.isoformat()),
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": principal},
        "dpv:hasDataController": {"@type": "dpv:DataController", "dct:identifier": tenant.account},
        "dpv:hasJurisdiction": region.jurisdiction,
        "dpv:hasLegalBasis": "dpv:Consent",
        "dpv:hasProcess": process,
        "dpv:hasConsentStatus": status,
        "dpv:hasConsentControl": "dpv:WithdrawConsent",
    }
    record |= _notice(topology, said)
    if said.document is not None:
        record["dct:source"] = f"urn:sha256:{said.document}"
    return record


def _notice(topology: Topology, said: Consent) -> dict[str, object]:
    """Return the text that was consented to. A topology may not have an old wording any more."""
    if said.wording is None:
        return {}
    notice: dict[str, object] = {"@type": "dpv:ConsentNotice"}
    notice["dct:identifier"] = f"urn:sha256:{said.wording}"
    wording = topology.wordings.get(said.wording)
    if wording is None:
        return {"dpv:hasNotice": notice}
    notice |= {"dct:title": wording.title, "dct:language": wording.language}
    return {"dpv:hasNotice": notice, "dct:language": wording.language}


def _purpose(purpose: Purpose) -> dict[str, str]:
    return {"@type": "dpv:Purpose", "dct:identifier": purpose.value}


def _data(data_class: DataClass) -> dict[str, str]:
    return {"@type": "dpv:PersonalData", "dct:identifier": data_class.value}


def _durations(
    topology: Topology, tenant: TenantSpec, classes: Sequence[DataClass]
) -> list[dict[str, str]]:
    days = (
        (name, tenant.retention.get(name, rule.retention_days))
        for name in classes
        if (rule := topology.classes.get(name)) is not None
    )
    return [
        {"@type": "dpv:StorageDuration", "dct:identifier": name.value}
        | {"dpv:hasDuration": "until it is erased" if kept is None else f"P{kept}D"}
        for name, kept in days
    ]


def _moment(text: str) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": text}


def _principal(
    tenant: TenantSpec, said: Consent, pseudonyms: Sequence[bytes], name: str | None
) -> str:
    """Return who it is about: a subject by its name, if the caller gave it, or by an opaque id.

    That id stays the same when there are new pseudonym keys.
    """
    if not said.of_subject:
        return f"all of {tenant.id}"
    if name is not None:
        return name
    oldest = min(pseudonyms, default=b"")
    return f"urn:sha256:{hashlib.sha256(b'domicile consent subject' + oldest).hexdigest()}"
