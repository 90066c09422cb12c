"""Planted secrets, and a search for them in everything that a reader could see."""

import base64
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from io import StringIO

import pytest
from sqlalchemy import select

from storage.catalog import tables
from storage.client.regions import ServedRegion
from storage.client.tenant import BoundTenant, Tenant
from storage.crypto.record import unwrap_key
from storage.errors import (
    DomicileError,
)
from storage.logs import make_logger
from storage.model import (
    DataClass,
    RecordId,
)
from storage.testing import Domicile

BODY = "body-of-Hypatia-0f3a"
SUBJECT, GROUP = "subject-Hypatia-91c2", "group-Hypatia-77de"
FILENAME = "file-of-Hypatia-5b60.jsonl"
METADATA = {"note-Hypatia-key-2e": "note-Hypatia-value-8d"}
KEY = "request-of-Hypatia-c4d7"
TOLD = (BODY, SUBJECT, GROUP, FILENAME, KEY, *METADATA, *METADATA.values())

Call = Callable[[], object]


class Terminal(StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@dataclass
class Seen:
    """Everything that a reader could see, by where it was shown."""

    logs: Mapping[str, StringIO] = field(
        default_factory=lambda: {"json": StringIO(), "console": Terminal()}
    )
    texts: list[tuple[str, str]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    needles: dict[str, str] = field(default_factory=dict, repr=False)

    def note(self, where: str, text: str) -> None:
        """Note a text that was shown."""
        self.texts.append((where, text))

    def value(self, where: str, value: object) -> None:
        """Note the repr of a value that a service may log, and of its parts."""
        self.note(f"repr of {where}", repr(value))
        self.note(f"str of {where}", str(value))
        if is_dataclass(value) and not isinstance(value, type):
            for part in fields(value):
                if part.repr:
                    self.note(f"repr of {where}.{part.name}", repr(getattr(value, part.name)))

    def error(self, where: str, error: Exception) -> None:
        """Note an exception: its text, and its traceback in both logs."""
        self.kinds.add(type(error).__name__)
        self.value(where, error)
        self.note(f"args of {where}", repr(error.args) + repr(vars(error)))
        for stream in self.logs.values():
            make_logger(stream).error("failed", exc_info=error)

    def expect(self, where: str, call: Call) -> None:
        """Require that the call raises one of our own errors; note it."""
        with pytest.raises(DomicileError) as caught:
            call()
        self.error(where, caught.value)

    def learn(self, domicile: Domicile) -> None:
        """Collect the secrets that exist now. After an erasure they cannot be read any more."""
        self.needles |= _needles(domicile)

    def found(self) -> list[str]:
        """Return which secret was shown where."""
        shown = [*self.texts, *((name, log.getvalue()) for name, log in self.logs.items())]
        return [
            f"{name} in {where}"
            for where, text in shown
            for name, needle in self.needles.items()
            if needle in text
        ]


@pytest.fixture
def seen(domicile: Domicile, caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    """Collect what a test shows and logs; afterwards no planted secret is in it."""
    made = Seen()
    caplog.set_level(logging.INFO)
    yield made
    made.note("logging", caplog.text + repr([record.__dict__ for record in caplog.records]))
    made.learn(domicile)
    assert made.found() == []


def _needles(domicile: Domicile) -> dict[str, str]:
    """Return every secret in every form in which it may be written."""
    found = {word: word for word in TOLD} | {f"{word} (hex)": word.encode().hex() for word in TOLD}
    for name, key in _keys(domicile):
        found |= {f"{name} {form}": shape for form, shape in _shapes(key).items()}
    return found


def _shapes(key: bytes) -> dict[str, str]:
    return {
        "hex": key.hex(),
        "HEX": key.hex().upper(),
        "base64": base64.b64encode(key).decode().rstrip("="),
        "base64url": base64.urlsafe_b64encode(key).decode().rstrip("="),
        "base32": base64.b32encode(key).decode().rstrip("="),
        "repr": repr(key)[2:-1],
        "list": repr(list(key))[1:-1],
    }


def _keys(domicile: Domicile) -> Iterator[tuple[str, bytes]]:
    """Yield every key, from root keys to record keys, wrapped and not, and every pseudonym."""
    for region, served in domicile.homes.regions.items():
        file = json.loads((domicile.settings.regions[region].keys_file).read_text())
        for section in ("root", "pseudonym", "signing"):
            for version, key in file[section].items():
                yield f"{region} {section} {version}", base64.b64decode(key)
        yield from _keys_of_records(served, region)


def _keys_of_records(served: ServedRegion, region: str) -> Iterator[tuple[str, bytes]]:
    with served.region.catalog.begin() as connection:
        rows = [
            row
            for table in (tables.record, tables.file)
            for row in connection.execute(
                select(table.c.subject, table.c.grp, table.c.key_id, table.c.wrapped_key)
            )
        ]
    for number, (subject, group, key_id, wrapped) in enumerate(rows):
        with suppress(DomicileError):
            key = served.keys._open(key_id)
            yield f"{region} key object {key_id}", key
            yield f"{region} record key {number}", unwrap_key(key, wrapped)
        yield f"{region} wrapped key {number}", wrapped
        for name, value in (("subject", subject), ("group", group)):
            if value is not None:
                yield f"{region} pseudonym of a {name} {number}", value


def prompt_of(t: Tenant, body: str = BODY, **more: object) -> RecordId:
    """Put a prompt that is full of planted secrets."""
    given: dict[str, object] = {"subject": SUBJECT, "group": GROUP, "metadata": METADATA}
    return t.put(DataClass.PROMPT, body.encode(), **(given | more)).id  # type: ignore[arg-type]


def watched(domicile: Domicile, log: StringIO) -> BoundTenant:
    """Return a tenant of a store that logs to ``log``."""
    domicile.log = make_logger(log)
    domicile.open()
    return domicile.tenant()
