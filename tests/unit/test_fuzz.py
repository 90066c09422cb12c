"""Each parser survives some hostile inputs. ``make fuzz`` tries many more."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from regions.errors import TopologyProblem
from regions.load import load_topology
from storage.errors import InvalidRequest, MalformedId
from storage.model import DataClass, RecordId, utc
from tests.fuzz.run import Failure, run
from tests.fuzz.targets import Target, targets


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Target]]:
    """Return the parsers by name."""
    with targets() as made:
        yield {target.name: target for target in made}


def test_no_input_makes_a_parser_fail_otherwise(
    found: dict[str, Target], subtests: pytest.Subtests
) -> None:
    """What is valid is read, and everything else raises the error that the parser documents."""
    for target in found.values():
        for sample in target.samples:
            target.parse(sample)
        with subtests.test(msg=target.name):
            result = run(target, range(500))

            assert not isinstance(result, Failure), result
            assert result > 0


DEEP = b"[" * 5000
TOML = {
    "lists": b"x = " + DEEP + b"]" * 5000,
    "inline tables": b"x = " + b"{a = " * 5000 + b"1" + b"}" * 5000,
    "a dotted key": b".".join([b"a"] * 2000) + b" = 1",
    "a table": b"[" + b".".join([b"a"] * 2000) + b"]\nx = 1",
    "a hexadecimal number": b"x = 0x" + b"f" * 100_000,
    "a decimal number": b"x = " + b"9" * 100_000,
    "100 MB": b"#" * 100_000_000,
}


@pytest.mark.parametrize("text", TOML.values(), ids=TOML)
@pytest.mark.parametrize("file", ["classes.toml", "regions/eu-central-1.toml"])
def test_a_deep_or_large_topology_is_refused(
    found: dict[str, Target], file: str, text: bytes
) -> None:
    """With the error of a topology, which names the file."""
    with pytest.raises(TopologyProblem, match=file):
        found["topology"].parse(file.encode() + b"\n" + text)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """No more of it is read than a topology may have."""
    (tmp_path / "sub_processors.toml").write_bytes(b"#" * (256 * 1024 + 1))

    with pytest.raises(TopologyProblem, match="larger than 256 KiB"):
        load_topology(tmp_path)


FIRST, LAST = b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59"
TIMES = {"ledger": b'"at":"', "manifest": b'"minted":"', "signed receipt": b'"requested":"'}


@pytest.mark.parametrize("time", [FIRST, LAST], ids=["first", "last"])
@pytest.mark.parametrize("name", TIMES)
def test_a_time_that_utc_does_not_have(found: dict[str, Target], name: str, time: bytes) -> None:
    """It is an error of what contains it."""
    target = found[name]
    sample = target.samples[0]
    at = sample.index(TIMES[name]) + len(TIMES[name])
    changed = sample[:at] + time + sample[sample.index(b'"', at) :]

    with pytest.raises(target.errors):
        target.parse(changed)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
    ],
)
def test_a_caller_may_not_give_such_a_time(moment: datetime) -> None:
    """Such as the span of a hold."""
    with pytest.raises(InvalidRequest, match="year"):
        utc(moment)


@pytest.mark.parametrize(
    ("minted", "day"),
    [
        (datetime(1969, 12, 31, tzinfo=UTC), None),
        (datetime(2026, 1, 1, tzinfo=UTC), date(2020, 1, 1)),
        (datetime(2026, 1, 1, tzinfo=UTC), date(2199, 7, 1)),
    ],
)
def test_an_id_has_a_text_form(minted: datetime, day: date | None) -> None:
    """One whose times do not fit into it is refused when it is made."""
    with pytest.raises(MalformedId):
        RecordId(DataClass.PROMPT, "eu-central-1", minted, day, bytes(16))


def test_a_listing_in_another_encoding_has_no_declaration_either(
    found: dict[str, Target],
) -> None:
    """In UTF-16 a declaration of entities looks different, and is refused as well."""
    target = found["listing"]
    operation, _, body = target.samples[0].partition(b"\n")
    text = body.decode().replace("UTF-8", "UTF-16")
    entity = text.replace("?>", "?><!DOCTYPE x [<!ENTITY e 'bucket'>]>").replace(
        ">bucket<", ">&e;<"
    )

    with pytest.raises(target.errors):
        target.parse(operation + b"\n" + entity.encode("utf-16"))
