"""The page about listing and reading does what it says."""

import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from storage import Count, DataClass, GetFailure, Purpose, Record, RecordInfo
from storage.testing import Domicile

PAGE = Path("docs/howto/list-and-read.md")
EXPORT = Path("docs/howto/export-a-subject.md")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_page_runs(domicile: Domicile) -> None:
    """From the newest of a user, to a file of lines."""
    t = domicile.tenant()
    ids = [t.put(DataClass.PROMPT, b"%d" % n, subject="user-7").id for n in range(25)]
    t.put(DataClass.PROMPT, b"other", subject="user-8")
    lines = b"".join(b'{"n": %d}\n' % n for n in range(100))
    shown, told, counted = list[bytes](), list[object](), list[Any]()
    names: dict[str, Any] = {
        "Iterator": Iterator,
        "DataClass": DataClass,
        "RecordInfo": RecordInfo,
        "Purpose": Purpose,
        "Record": Record,
        "GetFailure": GetFailure,
        "timedelta": timedelta,
        "io": io,
        "json": json,
        "t": t,
        "now": domicile.clock.now(),
        "file_id": t.put_file(io.BytesIO(lines), filename="lines.jsonl").id,
        "show": lambda body, _: shown.append(body),
        "tell": lambda *failed: told.append(failed),
        "count": counted.append,
    }
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) == 7

    exec("\n".join(blocks), names)  # noqa: S102 - the page is ours

    assert len(names["newest"]) == 20
    assert [info.id for info in names["all_of"]("user-7")] == ids
    assert names["names"] == ["lines.jsonl"]
    assert len(names["yesterday"]) == 26
    assert names["many"] == Count(27, stopped=False)
    assert shown == [b"%d" % n for n in reversed(range(5, 25))]
    assert told == []
    assert counted == [{"n": n} for n in range(100)]


def test_the_page_about_exports_runs(domicile: Domicile) -> None:
    """What it sends is a ZIP."""
    t = domicile.tenant()
    t.put(DataClass.PROMPT, b"text", subject="user-7")
    sent = list[bytes]()
    (block,) = BLOCK.findall(EXPORT.read_text())

    exec(block, {"t": t, "Purpose": Purpose, "send": sent.append})  # noqa: S102 - the page is ours

    with ZipFile(io.BytesIO(b"".join(sent))) as found:
        assert found.namelist() == ["records.jsonl"]
