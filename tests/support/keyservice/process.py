"""``domicile keyservice serve`` as a process of its own, to be killed or stopped."""

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from storage.cli.app import app
from tests.support.inspect.stored import wait_until
from tests.support.keyservice.apart import HOME, Apart

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.keyservice.process"])
_STARTED = '"event": "key_service_started"'


@dataclass
class KeyServiceProcess:
    """A process, and the file that has its log."""

    process: BaseProcess
    log: Path

    @property
    def lines(self) -> list[str]:
        """The lines of its log, and of those before it on the same file."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.join(60)

    def stop(self) -> None:
        """Send SIGTERM; require that it exits with 0."""
        self.process.terminate()
        self.process.join(60)
        assert self.process.exitcode == 0


@contextmanager
def started(away: Apart, **changed: str) -> Iterator[KeyServiceProcess]:
    """Start the key service, and wait until it listens. It is killed if the test leaves it."""
    folder = away.root_file.parent
    (folder / "approvers.toml").write_text("[approvers]\n")
    given = {
        "REGION": HOME,
        "LISTEN": f"unix:{away.path}",
        "CATALOG_URL": away.url,
        "KEYS_FILE": str(away.root_file),
        "APPROVERS_FILE": str(folder / "approvers.toml"),
    }
    environment = {f"DOMICILE_KEYSERVICE__{name}": v for name, v in (given | changed).items()}
    log = folder / "log"
    made = _CONTEXT.Process(target=_run, args=(environment, log), daemon=True)
    running = KeyServiceProcess(made, log)
    before = sum(_STARTED in line for line in running.lines)
    made.start()
    try:
        wait_until(lambda: sum(_STARTED in line for line in running.lines) > before, 60)
        yield running
    finally:
        if made.is_alive():
            running.kill()
        made.close()


def _run(environment: Mapping[str, str], log: Path) -> None:
    with log.open("a") as errors:
        os.dup2(errors.fileno(), 2)
    os.environ.update(environment)
    app(["keyservice", "serve"])
