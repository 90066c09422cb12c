"""The pages about hooks into other people's software do what they say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from storage import DataClass, Purpose
from storage.contrib.otel_genai import DomicileCompletionHook
from storage.testing import SERVICE, Domicile

pytestmark = pytest.mark.one_region

HOWTO = Path("docs/howto").absolute()
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_page_about_fsspec_runs(
    domicile: Domicile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is written, read, found and downloaded."""
    monkeypatch.chdir(tmp_path)
    domicile.tenant()
    names: dict[str, Any] = {"SERVICE": SERVICE, "store": domicile.store, "json": json}
    blocks = BLOCK.findall((HOWTO / "use-with-fsspec.md").read_text())
    assert len(blocks) == 2

    exec("\n".join(blocks), names)  # noqa: S102 - the page is ours

    assert names["lines"] == [{"messages": []}]
    assert names["found"] == ["acme-eu/sets/train.jsonl"]
    assert (tmp_path / "downloaded/train.jsonl").read_text() == '{"messages": []}\n'


def test_the_page_about_opentelemetry_runs(domicile: Domicile) -> None:
    """What is called in the block is stored as the page says."""
    tenant = domicile.tenant()
    hook = DomicileCompletionHook()

    def call_model(text: str) -> str:
        asked, answered = [{"text": text}], [{"text": "Lake Lucerne."}]
        hook.on_completion(inputs=asked, outputs=answered, system_instruction=[])
        return "Lake Lucerne."

    names: dict[str, Any] = {"store": domicile.store, "call_model": call_model}
    (block,) = BLOCK.findall((HOWTO / "use-with-opentelemetry.md").read_text())
    exec(block, names)  # noqa: S102 - the page is ours

    assert names["answer"]("user-7", "thread-9", "Which lake?") == "Lake Lucerne."
    hook.shutdown(timeout_sec=30)
    stored = {
        info.data_class: tenant.get(info.id, purpose=Purpose.SERVE).body
        for info in tenant.list(subject="user-7", group="thread-9")
    }
    assert b"Which lake?" in stored[DataClass.PROMPT]
    assert b"Lake Lucerne." in stored[DataClass.COMPLETION]
