"""An instrumented client leaves ids on its spans, and no content."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import Actor, ActorKind, DataClass, Purpose, Settings, open_store
from tests.peers.model import ANSWER, serving
from tests.peers.proxy import BIN, Place, made_place

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

ME = Actor("test", ActorKind.CUSTOMER, employer="acme", location="EU")
SCRIPT = Path(__file__).with_name("instrumented.py")


@pytest.fixture
def place() -> Iterator[Place]:
    """An embedded Domicile."""
    with made_place() as made:
        yield made


@pytest.mark.parametrize(("capture", "by"), [("false", "code"), ("SPAN_AND_EVENT", "variable")])
def test_an_instrumented_client(place: Place, capture: str, by: str) -> None:
    """Whether the instrumentation is told to capture content or not."""
    environment = place.environment(
        OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK="domicile",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=capture,
        OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
    )
    with serving() as model:
        done = subprocess.run(
            (BIN / "python", SCRIPT, model.url, by),
            env=environment,
            cwd=place.directory,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    spans = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(spans) == 3
    assert "lake" not in done.stdout.lower()
    with open_store(Settings(home=place.home)) as store:
        tenant = store.tenant("acme-eu").bind(ME)
        for user, span in zip(("user-1", "user-2"), spans, strict=False):
            stored = {one.data_class: one for one in tenant.list(subject=user, group="thread-1")}
            prompt, completion = stored[DataClass.PROMPT], stored[DataClass.COMPLETION]
            assert span["gen_ai.input.messages_ref"] == prompt.id
            assert span["gen_ai.output.messages_ref"] == completion.id
            assert b"Which lake?" in tenant.get(prompt.id, purpose=Purpose.SERVE).body
            assert ANSWER.encode() in tenant.get(completion.id, purpose=Purpose.SERVE).body
        assert len(tenant.list()) == 4
    assert not [name for name in spans[2] if name.endswith("_ref")]
