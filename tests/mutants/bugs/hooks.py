"""Bugs of the hooks into other people's software."""

from tests.mutants.bugs.bug import Bug, bug

CONTENT = "tests/unit/test_contrib_content.py"
EXCHANGES = "tests/integration/test_contrib_exchanges.py"
FSSPEC = "tests/integration/test_contrib_fsspec.py"
OTEL = "tests/integration/test_contrib_otel.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "the name of a file leads out of the directory to which it is downloaded",
        "contrib/fsspec.py",
        'part not in {"", ".", ".."}',
        'part not in {"", "."}',
        FSSPEC,
    ),
    bug(
        "a file is written where one is",
        "contrib/fsspec.py",
        "if name in self._files(tenant):",
        "if not name:",
        FSSPEC,
    ),
    bug(
        "a listing notes that a model was tuned with all files",
        "contrib/fsspec.py",
        "if self._purpose is Purpose.FINE_TUNE:",
        "if self._purpose is None:",
        FSSPEC,
    ),
    bug(
        "half of a file is stored",
        "contrib/uploads.py",
        "if error is not None:",
        "if error is None and kind is not None:",
        FSSPEC,
    ),
    bug(
        "all that is in a request is stored",
        "contrib/content.py",
        "for name in (*CONTENT, *PARAMETERS) if data.get(name) is not None",
        "for name in data if data.get(name) is not None",
        CONTENT,
    ),
    bug(
        "an image outlives its prompt",
        "contrib/exchanges.py",
        "                derived_from=[ids[0]],\n",
        "",
        EXCHANGES,
    ),
    bug(
        "an answer is lost if its caller leaves",
        "contrib/exchanges.py",
        "await asyncio.shield(storing)",
        "await storing",
        EXCHANGES,
    ),
    bug(
        "content stays on a span",
        "contrib/otel_genai.py",
        '{name: "" for name in CONTENT if name in there}',
        '{name: "" for name in CONTENT if name not in there}',
        OTEL,
    ),
    bug(
        "any number of completions wait",
        "contrib/otel_genai.py",
        "len(self._storing) >= QUEUE",
        "len(self._storing) >= 2 * QUEUE",
        OTEL,
    ),
)
