"""A service whose OpenAI client is instrumented. Prints the attributes of its spans as JSON.

Runs in the environment of the peers, where OpenTelemetry is: ``instrumented.py MODEL_URL BY``. Its
hook is chosen by ``code``, or by the ``variable`` of the environment.
"""

import json
import sys

from openai import OpenAI
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.genai.completion_hook import load_completion_hook

from storage import open_store
from storage.contrib.otel_genai import DomicileCompletionHook, asking


def main(url: str, by: str) -> None:
    """Ask the model once for each of two users, and once for nobody."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    hook = DomicileCompletionHook() if by == "code" else load_completion_hook()
    OpenAIInstrumentor().instrument(tracer_provider=provider, completion_hook=hook)
    client = OpenAI(base_url=url, api_key="sk-secret")

    def call_model(text: str) -> None:
        client.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": text}])

    with open_store() as store:
        for user in ("user-1", "user-2"):
            with asking(store.tenant("acme-eu"), subject=user, group="thread-1"):
                call_model("Which lake?")
        call_model("Which lake?")
        getattr(hook, "_wrapped", hook).shutdown()
    for span in exporter.get_finished_spans():
        print(json.dumps(dict(span.attributes or {}), default=str))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
