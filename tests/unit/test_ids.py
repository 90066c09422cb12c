"""Record ids: what they say, and what they and other values never show."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.model import RECORD_CLASSES, DataClass
from storage.errors import MalformedId, NaiveDatetime
from storage.model import NewRecord, Record, RecordId, RecordInfo, Scope, ScopeKind, utc

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
DAY = date(2026, 3, 30)
SECRET = b"s" * 32
PLANTED = "planted-secret-of-somebody"

ids = st.builds(
    RecordId,
    data_class=st.sampled_from(RECORD_CLASSES),
    region=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
    minted=st.integers(0, 10**13).map(
        lambda ms: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
    ),
    day=st.none() | st.dates(date(2020, 1, 2), date(2199, 1, 1)),
    unique=st.binary(min_size=16, max_size=16),
)


def mint(
    key: str | None = "req-123",
    *,
    now: datetime = NOW,
    day: date | None = DAY,
    tenant: str = "acme-eu",
    secret: bytes = SECRET,
    data_class: DataClass = DataClass.PROMPT,
) -> RecordId:
    """An id for a key."""
    return RecordId.mint(
        data_class,
        "eu-central-1",
        now,
        day,
        tenant=tenant,
        entropy=os.urandom,
        key=key,
        secret=secret,
    )


@given(ids)
def test_an_id_survives_being_text(record_id: RecordId) -> None:
    """Class, region, minting, day and the unique part come back from the text."""
    assert RecordId.parse(str(record_id)) == record_id


def test_a_flag_has_no_id() -> None:
    """It goes by the id of the record that it is about: nothing can be stored as a flag alone."""
    with pytest.raises(MalformedId):
        mint(data_class=DataClass.FLAG)
    with pytest.raises(MalformedId):
        RecordId.parse(str(mint()).replace("prompt", "flag"))


@given(ids)
def test_an_id_is_short_plain_text(record_id: RecordId) -> None:
    """It fits a URL, a file name and a column: three parts, small letters, digits, hyphens."""
    name, region, packed = str(record_id).split(".")

    assert (name, region) == (record_id.data_class.value, record_id.region)
    assert len(packed) == 39
    assert packed.isascii()
    assert packed.isalnum()
    assert packed == packed.lower()


@pytest.mark.parametrize("key", [None, "req-123"])
def test_an_id_says_that_its_data_is_older(key: str | None) -> None:
    """Also when it is read back; nothing else in it differs, and no other id says so."""
    new = mint(key)
    older = new.for_older()

    assert RecordId.parse(str(older)).older
    assert not RecordId.parse(str(new)).older
    assert replace(older, unique=new.unique) == new
    assert mint("req-124").for_older() != mint("req-123").for_older()


def test_minting_keeps_milliseconds() -> None:
    """What is minted is what is read back: nothing finer than the text can say."""
    minted = mint()

    assert minted.minted == NOW.replace(microsecond=123000)
    assert RecordId.parse(str(minted)) == minted


GOOD = str(mint())


@pytest.mark.parametrize(
    "text",
    [
        "",
        PLANTED,
        f"prompt.eu-central-1.{PLANTED}",
        f"{PLANTED}{GOOD[6:]}",
        "prompt",
        "..",
        "prompt.eu-central-1",
        "prompt.eu-central-1.",
        f"{GOOD}.x",
        GOOD[:-1],
        GOOD + "0",
        GOOD.upper(),
        GOOD[:-39] + "z" * 39,
        GOOD[:-39] + "é" * 39,
        GOOD[:-39] + " " * 39,
        GOOD.replace("prompt", "diary"),
        GOOD + "\n",
        " " + GOOD,
    ],
)
def test_what_is_no_id_is_refused_and_not_repeated(text: str) -> None:
    """One named error for all of them, which does not quote what was given."""
    with pytest.raises(MalformedId) as caught:
        RecordId.parse(text)

    assert str(caught.value) == str(MalformedId(advice=caught.value.advice))
    assert PLANTED not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        GOOD[:-1] + chr(ord(GOOD[-1]) + 1),  # a bit that stands for nothing
        str(RecordId(DataClass.PROMPT, "r", NOW, None, bytes([0x73] * 16))).replace("s", "\u017f"),
        GOOD.replace("eu-central-1", ""),
        GOOD.replace("eu-central-1", "EU"),
        GOOD.replace("eu-central-1", f"{PLANTED} "),
        GOOD.replace("eu-central-1", "a" * 64),
    ],
    ids=["spare bits", "long s", "no region", "capitals", "free text", "long"],
)
def test_an_id_has_one_spelling_and_the_region_is_a_name(text: str) -> None:
    """Who searches a log for an id finds it; free text is not taken for one, and shown."""
    with pytest.raises(MalformedId):
        RecordId.parse(text)


@pytest.mark.parametrize("given", [b"x", None, 7, ["prompt"], GOOD.encode()], ids=repr)
def test_what_is_no_text_is_no_id(given: Any) -> None:  # noqa: ANN401
    """A caller who passes another type gets the same named error."""
    with pytest.raises(MalformedId):
        RecordId.parse(given)


@given(st.text())
def test_no_text_makes_parsing_fail_otherwise(text: str) -> None:
    """Whatever a caller sends, it is an id or MalformedId."""
    try:
        parsed = RecordId.parse(text)
    except MalformedId:
        return
    assert str(parsed) == text


def test_the_same_key_names_the_same_record() -> None:
    """A retry finds what it wrote, also a moment later: day and unique part are the same."""
    again = mint(now=NOW + timedelta(minutes=5))

    assert (again.unique, again.day) == (mint().unique, mint().day)


@pytest.mark.parametrize(
    "other",
    [
        mint("req-124"),
        mint(tenant="acme-us"),
        mint(data_class=DataClass.COMPLETION),
        mint(day=DAY + timedelta(1)),
        mint(day=None),
        mint(now=NOW + timedelta(1)),
        mint(secret=b"t" * 32),
    ],
    ids=["key", "tenant", "class", "expiry day", "no expiry", "day of minting", "secret"],
)
def test_anything_else_names_another_record(other: RecordId) -> None:
    """Key, tenant, class, retention, day and the region's secret each make a difference."""
    assert other.unique != mint().unique


def test_parts_of_a_key_do_not_run_together() -> None:
    """Tenant ``a`` with key ``bc`` is not tenant ``ab`` with key ``c``."""
    assert mint("bc", tenant="a").unique != mint("c", tenant="ab").unique


def test_without_a_key_every_id_is_new() -> None:
    """Two calls, two records."""
    assert mint(None).unique != mint(None).unique


def test_an_id_shows_nothing_of_key_or_tenant() -> None:
    """Neither in clear nor in the bytes that the text packs: ids are in logs and URLs."""
    planted = mint(PLANTED, tenant="tenant-of-somebody")

    for shown in (str(planted), repr(planted)):
        assert PLANTED not in shown
        assert "somebody" not in shown
    assert b"secret" not in planted.unique


def test_values_do_not_show_what_they_hold() -> None:
    """Content, metadata, subjects and groups are in no repr, so in no log or traceback of one."""
    info = RecordInfo(mint(), DataClass.PROMPT, 3, NOW, None, incomplete=False)
    hiding: list[object] = [
        NewRecord(
            DataClass.PROMPT,
            PLANTED.encode(),
            subject=PLANTED,
            group=PLANTED,
            metadata={PLANTED: PLANTED},
        ),
        Record(info, PLANTED.encode(), {PLANTED: PLANTED}),
        Scope.subject(PLANTED),
        Scope.group(PLANTED),
    ]

    for value in hiding:
        assert PLANTED not in repr(value)
        assert PLANTED not in str(value)


def test_scopes_say_what_they_cover() -> None:
    """Each kind has its constructor."""
    assert Scope.record(mint()).value == Scope.record(str(mint())).value == str(mint())
    assert [
        (s.kind, s.value)
        for s in (Scope.subject("u"), Scope.group("g"), Scope.tenant(), Scope.account("a"))
    ] == [
        (ScopeKind.SUBJECT, "u"),
        (ScopeKind.GROUP, "g"),
        (ScopeKind.TENANT, ""),
        (ScopeKind.ACCOUNT, "a"),
    ]


def test_a_time_without_a_zone_is_refused() -> None:
    """A naive datetime is nobody's moment."""
    with pytest.raises(NaiveDatetime):
        utc(datetime(2026, 3, 1))  # noqa: DTZ001


@given(ids)
def test_an_id_is_its_text(one: RecordId) -> None:
    """Wherever ids and texts are mixed: either finds the other."""
    text = str(one)
    assert one == text
    assert text == one
    assert {one: 1}[text] == {text: 1}[one] == 1  # type: ignore[index]
    assert one != text[:-1]
    assert one != text.encode()
    assert replace(one, unique=bytes(16)) != one or one.unique == bytes(16)
