"""``policy diff`` notices a change of each field of a topology that permits something."""

from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from regions.backends import DirectorySpec, MemorySpec, PostureAttested, S3Spec
from regions.connectors import ManualConnectorSpec
from regions.fields import PostureCheck
from regions.load import load_topology
from regions.model import (
    Baa,
    Bounds,
    CatalogSteward,
    DataClass,
    Keeping,
    Purpose,
    Service,
    Steward,
    SubProcessor,
    Topology,
    TrainRule,
)
from regions.witnesses import WitnessSpec
from storage.policy.proof.difference import compare
from tests.support.topology_files import SHIPPED

TODAY = date(2026, 11, 28)
LATER = date(2027, 6, 1)
EVENT, PROMPT = DataClass.EVENT, DataClass.PROMPT
WORDING = "14910a74f1a076580f8becf5231648c9a567cf56704e617ec763f8a14bf7119f"
KEY = "x" * 43
Where = tuple[str | int, ...]

REGION: Where = ("regions", "eu-central-1")
BACKENDS: Mapping[str, Where] = {
    "S3Spec": (*REGION, "backends", 0),
    "DirectorySpec": (*REGION, "backends", 1),
    "MemorySpec": ("regions", "us-east-1", "backends", 0),
}
BACKEND = BACKENDS["S3Spec"]
WITNESS: Where = (*REGION, "witnesses", 0)
HOST: Where = ("sub_processors", "meerspeicher")
HTTP: Where = ("sub_processors", "klarblick")
RULE: Where = ("jurisdictions", "EU")
EPOCH: Where = ("epochs", 2)

PERMIT_NOTHING: Mapping[str, str] = {
    **{
        f"{where}.name": "a name: what has it is compared by it"
        for where in ("SubProcessor", "Region", "JurisdictionRule", "Residency", "ClassRule")
    },
    "S3Spec.name": "a name: what has it is compared by it",
    "DirectorySpec.name": "a name: what has it is compared by it",
    "MemorySpec.name": "a name: what has it is compared by it",
    "WitnessSpec.name": "a name: what has it is compared by it",
    "ClassRule.listed": "what a list shows, `get` shows to the same actor",
    "SubProcessor.title": "a text for people",
    "SubProcessor.agreement": "the title of a contract: its dates say when it permits something",
    "SubProcessor.locations": "what customers are told: jurisdictions say where data may be",
    "SubProcessor.products": "what customers are told",
    "Baa.document": "what was signed: its dates say when it permits something",
    "PostureAttested.document": "what people have read: the checks say what it stands for",
    "S3Spec.location_document": "what people have read: without it the topology does not load",
    "S3Spec.object_lock": "of a bucket that is made: one that locks on its own is refused",
    "DirectorySpec.reserve_mib": "when a disk counts as full",
    "WitnessSpec.url": "hashes of salted hashes go there; what counts is the key",
    "Region.place": "a cell is in the jurisdiction of its region, and is compared as a region",
    "Region.cells": "which cell of the same region a new tenant gets",
    "Region.room": "how many tenants a cell takes",
    "Keeping.reason": "a text for people",
    "JurisdictionRule.gdpr": "which words an error has",
    "Wording.title": "a text for people",
    "Wording.language": "a text for people",
    "Cascade.cause": "has one value",
    **{
        f"{kind}.longest_request_minutes": "a fact about a server, by which a deletion waits"
        for kind in ("S3Spec", "DirectorySpec", "MemorySpec")
    },
    **{
        f"{kind}ConnectorSpec.{field}": "a fact about a processor, by which a deletion is asked for"
        for kind in ("Http", "Manual")
        for field in ("lead_hours", "longest_request_minutes")
    },
}
"""Fields of which ``policy diff`` says nothing, each with the reason."""

_WITNESS = "w.example+c9e1d1c4+B" + "A" * 43


def _witness(key: str) -> WitnessSpec:
    return WitnessSpec.model_construct(name="w", key=key, url="https://w.example", required=True)


_ATTESTED = PostureAttested(
    on=date(2026, 1, 1), document="a" * 64, checks=frozenset({PostureCheck.INVENTORY})
)
_S3 = S3Spec(name="eu-a", sub_processor="lindenhost", aws_region="eu-central-1", bucket="one")
_BAA = Baa(document="a" * 64, since=date(2025, 1, 1), until=date(2028, 1, 1))
_OTHER = Steward(sub_processor="lindenhost", location="EU")
_CATALOG = CatalogSteward(sub_processor="lindenhost", location="EU")
_LONG = Keeping(days=3000, reason="Other.")


def _without_first(several: Mapping[str, object]) -> dict[str, object]:
    return {name: one for name, one in several.items() if name != next(iter(several))}


def _without_connected(several: Mapping[str, SubProcessor]) -> dict[str, SubProcessor]:
    return {name: one for name, one in several.items() if one.connector is None}


COMPARED: Mapping[str, tuple[Where, object]] = {
    "SubProcessor.service": ((*HTTP, "service"), Service.HUMAN_REVIEW),
    "SubProcessor.jurisdictions": ((*HTTP, "jurisdictions"), frozenset({"US"})),
    "SubProcessor.announced": ((*HOST, "announced"), date(2026, 11, 20)),
    "SubProcessor.notice_days": ((*HOST, "notice_days"), 10),
    "SubProcessor.since": ((*HOST, "since"), LATER),
    "SubProcessor.until": ((*HOST, "until"), LATER),
    "SubProcessor.exit_days": (("sub_processors", "lindenhost", "exit_days"), 20),
    "SubProcessor.connector": ((*HTTP, "connector"), None),
    "SubProcessor.baa": ((*HTTP, "baa"), None),
    "Baa.since": ((*HTTP, "baa", "since"), LATER),
    "Baa.until": ((*HTTP, "baa", "until"), LATER),
    "HttpConnectorSpec.kind": (
        (*HTTP, "connector"),
        ManualConnectorSpec(lead_hours=24, max_days=14),
    ),
    "HttpConnectorSpec.max_days": ((*HTTP, "connector", "max_days"), 13),
    "HttpConnectorSpec.url": ((*HTTP, "connector", "url"), "https://other.example"),
    "HttpConnectorSpec.acknowledgement_key": ((*HTTP, "connector", "acknowledgement_key"), KEY),
    "ManualConnectorSpec.kind": (("sub_processors", "handverlesen", "connector"), None),
    "ManualConnectorSpec.max_days": (
        ("sub_processors", "handverlesen", "connector", "max_days"),
        13,
    ),
    "Region.jurisdiction": ((*REGION, "jurisdiction"), "US"),
    "Region.catalog": ((*REGION, "catalog"), _CATALOG),
    "Region.keys": ((*REGION, "keys"), _OTHER),
    "Region.backups": ((*REGION, "backups"), _OTHER),
    "Region.catalog_backup_days": ((*REGION, "catalog_backup_days"), 8),
    "Region.replicas": ((*REGION, "replicas"), 1),
    "Region.required": ((*REGION, "required"), 2),
    "Region.staff_max": ((*REGION, "staff_max"), 26),
    "Region.backends": ((*REGION, "backends", 1, "sub_processor"), "quellwerk"),
    "Region.witnesses": ((*REGION, "witnesses"), ()),
    "CatalogSteward.hosts": ((*REGION, "catalog", "hosts"), ("db.other.example",)),
    "WitnessSpec.key": ((*WITNESS, "key"), _WITNESS.replace("AA", "AB")),
    "WitnessSpec.required": ((*WITNESS, "required"), False),
    "PostureAttested.on": ((*BACKEND, "posture_attested", "on"), LATER),
    "PostureAttested.checks": (
        (*BACKEND, "posture_attested", "checks"),
        frozenset({PostureCheck.LIFECYCLE}),
    ),
    **{
        f"{kind}.kind": (BACKENDS[kind], new)
        for kind, new in (
            ("S3Spec", MemorySpec(name="eu-a", sub_processor="lindenhost")),
            ("DirectorySpec", MemorySpec(name="eu-b", sub_processor="meerspeicher")),
            ("MemorySpec", DirectorySpec(name="us-a", sub_processor="prairie-racks", path="us")),
        )
    },
    "Topology.regions": (("regions",), _without_first),
    "Topology.sub_processors": (("sub_processors",), _without_connected),
    "Topology.residencies": (("residencies",), _without_first),
    "Topology.jurisdictions": (("jurisdictions", "EU", "holds"), _LONG),
    "Topology.classes": (("classes",), _without_first),
    "Topology.bounds": (("bounds",), Bounds(purge_hours=48)),
    "S3Spec.aws_region": ((*BACKEND, "aws_region"), "eu-west-1"),
    "S3Spec.bucket": ((*BACKEND, "bucket"), "other"),
    "S3Spec.endpoint_url": ((*BACKEND, "endpoint_url"), "https://s3.other.example"),
    "DirectorySpec.path": ((*REGION, "backends", 1, "path"), "other"),
    "Keeping.days": ((*RULE, "receipts", "days"), 3000),
    **{
        f"JurisdictionRule.{kind}": ((*RULE, kind), _LONG)
        for kind in (
            *("receipts", "holds", "log", "consents"),
            *("agreements", "objections", "roster"),
        )
    },
    "Residency.jurisdictions": (("residencies", "EU", "jurisdictions"), frozenset({"EU", "US"})),
    "Residency.agreements": (("residencies", "EU", "agreements"), frozenset()),
    "ClassRule.retention_days": (("classes", PROMPT, "retention_days"), 29),
    "ClassRule.ceiling_days": (("classes", EVENT, "ceiling_days"), 300),
    "ClassRule.floor_days": (("classes", EVENT, "floor_days"), 100),
    "ClassRule.purposes": (
        ("classes", PROMPT, "purposes"),
        lambda purposes: purposes | {Purpose.TRAIN},
    ),
    "ClassRule.handed_to": (("classes", PROMPT, "handed_to"), ()),
    "HandedTo.service": (("classes", PROMPT, "handed_to", 0, "service"), Service.HUMAN_REVIEW),
    "HandedTo.form": (("classes", PROMPT, "handed_to", 0, "form"), "de_identified"),
    "HandedTo.only": (("classes", PROMPT, "handed_to", 0, "only"), "flagged"),
    "Wording.digest": (("wordings",), {}),
    "Wording.classes": (("wordings", WORDING, "classes"), frozenset({PROMPT})),
    "Wording.purposes": (("wordings", WORDING, "purposes"), frozenset()),
    "Wording.since": (("wordings", WORDING, "since"), date(2024, 1, 1)),
    "Epoch.begins": ((*EPOCH, "begins"), LATER),
    "Epoch.train": ((*EPOCH, "train"), TrainRule.UNLESS_OPTED_OUT),
    "Epoch.ceiling_days": ((*EPOCH, "ceiling_days"), {EVENT: 366}),
    "Cascade.parent": (("cascades", 0, "parent"), EVENT),
    "Cascade.child": (("cascades", 0, "child"), EVENT),
    "Bounds.purge_hours": (("bounds", "purge_hours"), 48),
    "Bounds.compaction_hours": (("bounds", "compaction_hours"), 73),
    "Operator.founded": (("operator", "founded"), date(1970, 1, 1)),
    "Topology.operator": (("operator",), None),
    "Topology.cascades": (("cascades",), ()),
    "Topology.epochs": (("epochs",), ()),
    "Topology.wordings": (("wordings",), {}),
    **{
        f"{kind}.{field}": ((*backend, field), value)
        for kind, backend in BACKENDS.items()
        for field, value in {
            "sub_processor": "quellwerk",
            "attested_off": frozenset({"versions"}),
            "posture_attested": None,
            "retires": True,
            "dedicated_to": frozenset({"acme"}),
        }.items()
    },
    **{
        f"{kind}.{field}": ((*REGION, "catalog", field), value)
        for kind in ("Steward", "CatalogSteward")
        for field, value in {"sub_processor": "lindenhost", "location": "US"}.items()
    },
}


def _changed(thing: Any, path: Where, value: object) -> Any:  # noqa: ANN401 - as pydantic has it
    """Return a copy of a model, mapping or tuple with another value at a path."""
    if not path:
        return value(thing) if callable(value) else value
    first, *rest = path
    if isinstance(thing, BaseModel):
        new = _changed(getattr(thing, str(first)), tuple(rest), value)
        return thing.model_copy(update={str(first): new})
    if isinstance(thing, tuple):
        return tuple(
            _changed(one, tuple(rest), value) if place == first else one
            for place, one in enumerate(thing)
        )
    return {**thing, first: _changed(thing[first], tuple(rest), value)}


@pytest.fixture(scope="module")
def topology() -> Topology:
    """The shipped topology, with one of everything that it lacks."""
    found: Topology = load_topology(SHIPPED)
    coming = found.epochs[-1].model_copy(
        update={"begins": date(2027, 3, 1), "ceiling_days": {EVENT: 186}}
    )
    for path, value in (
        (("epochs",), (*found.epochs, coming)),
        (BACKENDS["S3Spec"], _S3),
        (BACKENDS["MemorySpec"], MemorySpec(name="us-a", sub_processor="prairie-racks")),
        *(((*backend, "posture_attested"), _ATTESTED) for backend in BACKENDS.values()),
        ((*REGION, "witnesses"), (_witness(_WITNESS),)),
        *(((*(("sub_processors", name)), "baa"), _BAA) for name in found.sub_processors),
        (("sub_processors", "lindenhost", "until"), date(2028, 1, 1)),
    ):
        found = _changed(found, path, value)
    return found


def _models(of: Any, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:  # noqa: ANN401
    """Return the models that an annotation leads to."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        if of not in seen:
            seen.add(of)
            for field in of.model_fields.values():
                _models(field.annotation, seen)
        return seen
    for part in get_args(of):
        _models(part, seen)
    return seen


def test_every_field_is_compared_or_permits_nothing() -> None:
    """A field that is added must be put into one of the two lists of this file."""
    fields = {
        f"{model.__name__}.{field}"
        for model in _models(Topology, set())
        for field in model.model_fields
    }

    assert not COMPARED.keys() & PERMIT_NOTHING.keys()
    assert COMPARED.keys() | PERMIT_NOTHING.keys() == fields


@pytest.mark.parametrize("field", COMPARED)
def test_a_change_of_a_field_is_said(topology: Topology, field: str) -> None:
    """Whatever else it may be: it is not passed over in silence."""
    path, value = COMPARED[field]
    new = _changed(topology, path, value)
    assert new != topology

    assert compare(topology, new, TODAY)
