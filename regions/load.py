"""Load a topology from TOML files, and check it.

A directory holds ``regions/*.toml`` (one region each, named like its file), ``sub_processors.toml``
(``[[sub_processors]]``), ``residencies.toml`` (``[[residencies]]``), ``jurisdictions.toml``
(``[[jurisdictions]]``) and ``classes.toml`` (``[[classes]]``, ``[[cascades]]``, ``[bounds]``).
It may hold ``epochs.toml`` (``[[epochs]]``), ``consents.toml`` (``[[wordings]]``; without it nobody
can consent), ``topology.toml`` (``requires``, the oldest version of Domicile that knows all keys,
and ``[operator]``) and ``locations.toml``, in the place of the shipped one.
"""

import json
import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from pydantic import Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from regions import check
from regions.backends import BackendSpec
from regions.connectors import ConnectorSpec
from regions.errors import TopologyProblem
from regions.fields import DIGEST, Fault, Model, Name
from regions.model import (
    Bounds,
    Cascade,
    ClassRule,
    DataClass,
    Epoch,
    JurisdictionRule,
    Locations,
    Operator,
    Region,
    Residency,
    SubProcessor,
    Topology,
    Wording,
)
from regions.version import PATTERN, VERSION, is_older_than

__all__ = ["TopologyProblem", "load_addition", "load_topology"]

_KEYS_OF_KINDS = frozenset(
    key
    for union in (BackendSpec, ConnectorSpec)
    for kind in get_args(get_args(union)[0])
    for key in kind.model_fields
)
_LARGEST = 256 * 1024  # bytes of a file; the shipped ones have some thousand
_PATTERNS = {
    DIGEST: "should be a SHA-256: 64 characters of 0 to 9 and a to f",
    PATTERN: 'should be a version, such as "0.1"',
}
_NO_KIND = frozenset({"union_tag_invalid", "union_tag_not_found"})


class _TopologyFile(Model):
    requires: Annotated[str, StringConstraints(pattern=PATTERN)]
    operator: Operator | None = None


class _SubProcessors(Model):
    sub_processors: tuple[SubProcessor, ...]


class _Addition(Model):
    sub_processors: tuple[SubProcessor, ...] = ()
    backends: dict[Name, tuple[BackendSpec, ...]] = Field(default_factory=dict)  # by region


class _Residencies(Model):
    residencies: tuple[Residency, ...]


class _Jurisdictions(Model):
    jurisdictions: tuple[JurisdictionRule, ...]


class _Classes(Model):
    classes: tuple[ClassRule, ...]
    cascades: tuple[Cascade, ...] = ()
    bounds: Bounds = Bounds()


class _Consents(Model):
    wordings: tuple[Wording, ...]


class _Epochs(Model):
    epochs: tuple[Epoch, ...] = Field(min_length=1)


def load_topology(directory: Path | None = None, *, today: date | None = None) -> Topology:
    """Return the topology of a directory, checked as a whole (None: the shipped example).

    ``today``: the day from which epochs are in force or lie ahead (None: this machine's, in UTC).

    Raises TopologyProblem for the first fault. A loaded topology refers only to entries that exist,
    keeps every region within its jurisdiction, and has deadlines that can be met.
    """
    shipped: Traversable = files("regions") / "data"
    root: Traversable = shipped if directory is None else directory
    operator = _operator(root / "topology.toml")
    processors = _sub_processors(root / "sub_processors.toml")
    residencies = _residencies(root / "residencies.toml")
    jurisdictions = _jurisdictions(root / "jurisdictions.toml")
    rules = _classes(root / "classes.toml")
    topology = Topology(
        regions=_regions(root / "regions", processors, jurisdictions, _locations(root, shipped)),
        sub_processors=processors,
        residencies=residencies,
        jurisdictions=jurisdictions,
        classes={rule.name: rule for rule in rules.classes},
        cascades=rules.cascades,
        bounds=rules.bounds,
    )
    stated: dict[str, object] = {
        "epochs": _epochs(root / "epochs.toml", rules, today or datetime.now(UTC).date()),
        "wordings": _wordings(root / "consents.toml", topology.classes),
        "operator": operator,
    }
    # what is not stated does not count for the digest
    return topology.model_copy(update={key: value for key, value in stated.items() if value})


def load_addition(topology: Topology, file: Path, directory: Path | None = None) -> Topology:
    """Return a topology with the entries of a file added to it, checked like all others.

    The file has ``[[sub_processors]]`` as in ``sub_processors.toml``, and ``[[backends.REGION]]``
    with the fields of a backend, which come after those of the region. ``directory``: that of the
    topology. Raises TopologyProblem.
    """
    locations = load_locations(directory)
    given = _read(file, _Addition)
    names = [*topology.sub_processors, *(entry.name for entry in given.sub_processors)]
    _refuse(file, check.unique("sub_processors", names))
    for entry in given.sub_processors:
        _refuse(file, check.sub_processor(entry))
    companies = topology.sub_processors | {entry.name: entry for entry in given.sub_processors}
    regions = dict(topology.regions)
    for name, backends in given.backends.items():
        if name not in regions:
            raise TopologyProblem(str(file), f"backends.{name}", "is not a region of the topology")
        region = regions.pop(name)
        more = region.model_copy(update={"backends": (*region.backends, *backends)})
        _refuse(file, check.region(more, name, companies))
        _refuse(file, check.distinct(more, tuple(regions.values())))
        _refuse(file, check.locations(more, locations))
        regions[name] = more
    ordered = {name: regions[name] for name in topology.regions}
    return topology.model_copy(update={"regions": ordered, "sub_processors": companies})


def load_locations(directory: Path | None = None) -> Locations:
    """Return where the regions of providers are. ``directory``: that of the topology.

    Raises TopologyProblem.
    """
    shipped: Traversable = files("regions") / "data"
    return _locations(shipped if directory is None else directory, shipped)


def _operator(file: Traversable) -> Operator | None:
    """Return who runs the service, if the file says so. Without the file, nobody does.

    Raise TopologyProblem if the topology needs a later version, whatever else is in its files.
    """
    if not _is_there(file):
        return None
    stated = _parse(file)[0].get("requires")
    if isinstance(stated, str) and re.match(PATTERN, stated) and is_older_than(stated):
        raise TopologyProblem(
            str(file),
            "requires",
            f"needs Domicile {stated} or later; this is {VERSION}",
            advice=f"Install Domicile {stated} or later, or give this version the topology that it "
            "had before.",
        )
    return _read(file, _TopologyFile).operator


def _sub_processors(file: Traversable) -> dict[str, SubProcessor]:
    entries = _read(file, _SubProcessors).sub_processors
    _refuse(file, check.unique("sub_processors", [entry.name for entry in entries]))
    for entry in entries:
        _refuse(file, check.sub_processor(entry))
    return {entry.name: entry for entry in entries}


def _residencies(file: Traversable) -> dict[str, Residency]:
    entries = _read(file, _Residencies).residencies
    _refuse(file, check.unique("residencies", [entry.name for entry in entries]))
    for entry in entries:
        _refuse(file, check.residency(entry))
    return {entry.name: entry for entry in entries}


def _jurisdictions(file: Traversable) -> dict[str, JurisdictionRule]:
    entries = _read(file, _Jurisdictions).jurisdictions
    _refuse(file, check.unique("jurisdictions", [entry.name for entry in entries]))
    return {entry.name: entry for entry in entries}


def _wordings(file: Traversable, known: Collection[DataClass]) -> dict[str, Wording]:
    """Return the wordings of consents by digest: none without the file."""
    if not _is_there(file):
        return {}
    entries = _read(file, _Consents).wordings
    _refuse(file, check.unique("wordings", [entry.digest for entry in entries]))
    for entry in entries:
        _refuse(file, check.wording(entry, known))
    return {entry.digest: entry for entry in entries}


def _locations(root: Traversable, shipped: Traversable) -> Locations:
    own = root / "locations.toml"
    return _read(own if _is_there(own) else shipped / "locations.toml", Locations)


def _classes(file: Traversable) -> _Classes:
    rules = _read(file, _Classes)
    _refuse(file, check.unique("classes", [rule.name for rule in rules.classes]))
    _refuse(file, check.bounds(rules.bounds))
    for rule in rules.classes:
        _refuse(file, check.class_rule(rule, rules.bounds))
    _refuse(file, check.cascades(rules.cascades, {rule.name for rule in rules.classes}))
    return rules


def _epochs(file: Traversable, rules: _Classes, today: date) -> tuple[Epoch, ...]:
    """Return the epochs. Without the file there are none."""
    if not _is_there(file):
        return ()
    epochs, known = _read(file, _Epochs).epochs, {rule.name: rule for rule in rules.classes}
    _refuse(file, check.epochs(epochs, known, rules.bounds, today))
    return epochs


def _regions(
    folder: Traversable,
    processors: dict[str, SubProcessor],
    jurisdictions: dict[str, JurisdictionRule],
    locations: Locations,
) -> dict[str, Region]:
    regions: dict[str, Region] = {}
    for file in _toml_files(folder):
        region = _read(file, Region)
        _refuse(file, check.region(region, file.name.removesuffix(".toml"), processors))
        _refuse(file, check.evidence(region, jurisdictions))
        _refuse(file, check.distinct(region, tuple(regions.values())))
        _refuse(file, check.locations(region, locations))
        regions[region.name] = region
    for region in regions.values():
        _refuse(folder / f"{region.name}.toml", check.place(region, regions))
    return regions


def _toml_files(folder: Traversable) -> list[Traversable]:
    """Return the TOML files of a folder by name, at least one."""
    try:
        found = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")]
    except OSError as error:
        raise TopologyProblem(str(folder), "", f"cannot be read: {error.strerror}") from error
    if not found:
        raise TopologyProblem(str(folder), "", "holds no region: put one TOML file per region here")
    return sorted(found, key=lambda entry: entry.name)


def _is_there(file: Traversable) -> bool:
    """Return whether anything has that name: reading what is no file says what is wrong."""
    return file.is_file() or file.is_dir() or (isinstance(file, Path) and file.is_symlink())


_M = TypeVar("_M", bound=Model)


def _read(file: Traversable, model: type[_M]) -> _M:
    """Read a file as a model. Raises TopologyProblem for the first fault of its form."""
    document, text = _parse(file)
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        key, reason = _first(error, document)
        raise TopologyProblem(str(file), key, reason) from error


def _parse(file: Traversable) -> tuple[dict[str, object], str]:
    """Return what a file contains, also as JSON.

    In strict mode pydantic takes lists for sets and text for enums from JSON alone.
    """
    try:
        document = tomllib.loads(_content(file).decode())
        return document, json.dumps(document, default=str)
    except OSError as error:
        raise TopologyProblem(str(file), "", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TopologyProblem(str(file), "", f"is not valid TOML: {error}") from error
    except RecursionError:
        raise TopologyProblem(str(file), "", "is nested too deeply") from None


def _content(file: Traversable) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise TopologyProblem(str(file), "", f"is larger than {_LARGEST // 1024} KiB")
    return content


def _first(error: ValidationError, document: object) -> tuple[str, str]:
    """Return key and reason of the first fault.

    A key that no kind knows comes before a missing one, because a misspelt key is both. A key of
    another kind comes last, because ``kind`` itself may be the mistake.
    """
    fault = min(error.errors(), key=_rank)
    keys, kind = _walk(document, fault["loc"])
    if fault["type"] in _NO_KIND:
        keys.append("kind")
    return ".".join(keys), _reason(fault, kind)


def _rank(fault: ErrorDetails) -> int:
    if fault["type"] != "extra_forbidden":
        return 1
    return 2 if fault["loc"][-1] in _KEYS_OF_KINDS else 0


def _reason(fault: ErrorDetails, kind: str) -> str:
    """Return what is wrong, in words; ``kind`` says of what kind the entry is, if it has one."""
    foreign = bool(kind) and fault["loc"][-1] in _KEYS_OF_KINDS
    words = {
        "extra_forbidden": f"is not for {kind}" if foreign else "is not a known key",
        "missing": f"is missing: {kind} needs it" if kind else "is missing",
        "string_too_short": "must not be empty",
        "too_short": "must not be empty",
        "union_tag_invalid": f"should be one of {fault.get('ctx', {}).get('expected_tags')}",
        "union_tag_not_found": "is missing",
    }
    if fault["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(fault.get("ctx", {}).get("pattern", ""), fault["msg"])
    plain = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
    return words.get(fault["type"], plain)


def _walk(document: object, path: Sequence[int | str]) -> tuple[list[str], str]:
    """Return the keys of ``backends.eu-a.bucket`` and ``a backend of kind s3``, if it has a kind.

    An entry of a list goes by its name, or by its position (from 1) without one.
    """
    keys: list[str] = []
    kind, here = "", document
    for part in path:
        if isinstance(part, int) and isinstance(here, list):
            here = here[part]
            name = here.get("name") if isinstance(here, dict) else None
            keys.append(name if isinstance(name, str) else str(part + 1))
        elif isinstance(here, dict) and part not in here and here.get("kind") == part:
            kind = f"a {_noun(path)} of kind {part}"  # pydantic's tag, not a key of the file
        else:
            here = here.get(part) if isinstance(here, dict) else None
            keys.append(str(part))
    return keys, kind


def _noun(path: Sequence[int | str]) -> str:
    return "backend" if path[0] == "backends" else "connector"


def _refuse(file: Traversable, faults: Iterator[Fault]) -> None:
    """Raise TopologyProblem for the first fault, if there is one."""
    for key, reason in faults:
        raise TopologyProblem(str(file), key, reason)
