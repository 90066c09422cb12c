"""Run tests against a changed copy of the source, in a process that is forked with imports done."""

import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]
_OURS = {"migrations", "regions", "storage", "tests"}
_SOUND = "tests/integration/test_due.py"
_SLOW_TEST = 90  # seconds; a change may make a test wait for ever


class Outcome(StrEnum):
    """What became of a change."""

    KILLED = "killed"  # a test failed
    SURVIVED = "survived"  # every test passed
    TIMEOUT = "timeout"  # the tests did not end, so the change is noticed


@dataclass(frozen=True)
class Result:
    """How a trial ended; ``test`` is the first that failed."""

    outcome: Outcome
    test: str | None
    seconds: float


@contextmanager
def source_tree() -> Iterator[Path]:
    """Copy the project to a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="dom-mutant-") as folder:
        tree = Path(folder)
        for name in (*sorted(_OURS), "deploy", "docs"):
            shutil.copytree(ROOT / name, tree / name)
        for name in ("pyproject.toml", "README.md", "alembic.ini"):
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, tree / name)
        yield tree


@contextmanager
def changed(tree: Path, file: str, text: str) -> Iterator[None]:
    """Give a file of the tree another text for a while."""
    path = tree / file
    before, cached = path.read_text(), path.parent / "__pycache__"
    path.write_text(text)
    for stale in cached.glob(f"{path.stem}.*.pyc"):  # a clock may not tell the two texts apart
        stale.unlink()
    try:
        yield
    finally:
        path.write_text(before)


def warm_up() -> None:
    """Import what tests import, so that forked processes need not."""
    for name in ("hypothesis", "pytest", "storage.testing"):
        importlib.import_module(name)


class Trial:
    """A run of tests in a process of its own."""

    def __init__(
        self, tree: Path, tests: Sequence[str], limit: float, *, slow: int = _SLOW_TEST
    ) -> None:
        """Start it. After ``limit`` seconds it is ended, and each test fails after ``slow``."""
        self.began, self._limit = time.monotonic(), limit
        self._notes = Path(tempfile.mkdtemp(prefix="dom-trial-"))
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _run(tree, tests, self._notes, slow)

    def poll(self) -> Result | None:
        """Return the result if the trial has ended. Raise RuntimeError if the tests cannot run."""
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        seconds = time.monotonic() - self.began
        if pid == 0 and seconds < self._limit:
            return None
        if pid == 0:
            self._kill()
        code = os.waitstatus_to_exitcode(status) if pid else None
        output = (self._notes / "output").read_text(errors="replace")
        shutil.rmtree(self._notes)
        match code:
            case None:
                return Result(Outcome.TIMEOUT, None, seconds)
            case 0:
                return Result(Outcome.SURVIVED, None, seconds)
            case 4 if "ImportError while loading conftest" in output:
                return Result(Outcome.KILLED, None, seconds)
            case 1 | 2 if "Interrupted" in output or _failed(output) is not None:
                return Result(Outcome.KILLED, _failed(output), seconds)
            case 3 if _failed(output) is not None:  # what it left open was noticed at the end, too
                return Result(Outcome.KILLED, _failed(output), seconds)
            case _:
                raise RuntimeError(f"The tests do not run (exit code {code}):\n{output[-3000:]}")

    def wait(self) -> Result:
        """Return the result when the trial has ended."""
        while (result := self.poll()) is None:
            time.sleep(0.05)
        return result

    def _kill(self) -> None:
        """End the process, those that it started, and its database server."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        server = self._notes / "server"
        if server.exists():
            directory = Path(server.read_text())
            with suppress(FileNotFoundError, ProcessLookupError):
                lines = (directory / "pg" / "postmaster.pid").read_text().splitlines()
                os.kill(int(lines[0]), signal.SIGQUIT)
            shutil.rmtree(directory, ignore_errors=True)


def check_unchanged(tree: Path) -> None:
    """Raise RuntimeError unless tests with a database pass without a change."""
    result = Trial(tree, [_SOUND], _SLOW_TEST).wait()
    if result.outcome is not Outcome.SURVIVED:
        raise RuntimeError(f"{result.test or _SOUND} does not pass without a change.")


class _Server:
    """A pytest plugin that notes where the database server is, so that it can be stopped."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    def pytest_runtest_setup(self) -> None:
        """Find the server in the module that starts it."""
        harness = sys.modules.get("storage.testing.harness")
        if harness is not None and not hasattr(harness.Server, "noted"):
            begin = harness.Server.__init__

            def noted(server: object, *arguments: object, **named: object) -> None:
                begin(server, *arguments, **named)
                (self._notes / "server").write_text(str(getattr(server, "directory", "")))

            harness.Server.__init__ = noted
            harness.Server.noted = True


def _run(tree: Path, tests: Sequence[str], notes: Path, slow: int) -> None:
    """Run pytest on the tree; in the forked process, which ends here."""
    code = 3
    try:
        os.setsid()
        output = os.open(notes / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", str(ROOT)))]
        os.environ["PYTHONPATH"] = str(tree)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]
        pytest = importlib.import_module("pytest")
        options = ["-q", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        limit = ["-o", f"timeout={slow}", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*options, *limit, *tests], plugins=[_Server(notes)]))
    except BaseException:  # noqa: BLE001 - this process must not go on in its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _failed(output: str) -> str | None:
    lines = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split()[1] if lines else None
