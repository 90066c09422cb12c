"""Secrets are planted, and no output or error of the command line shows one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storage.cli.app import app
from storage.testing import Domicile
from tests.support.cli_harness import READ
from tests.support.leaks import BODY, FILENAME, GROUP, KEY, METADATA, SUBJECT, Seen


@pytest.fixture
def domicile_backends() -> str:
    """Directories, so that the command line and the store share the backends."""
    return "directory"


class TestTheCommandLine:
    @pytest.fixture
    def run(self, domicile: Domicile, seen: Seen) -> Callable[..., str]:
        """Run a command as text and as JSON, note both, and return its stdout."""
        settings = domicile.settings
        environment: dict[str, str | None] = {"DOMICILE_HOME": str(settings.home)}
        for region, given in settings.regions.items():
            prefix = f"DOMICILE_REGIONS__{region.upper().replace('-', '_')}__"
            environment[f"{prefix}CATALOG_URL"] = given.catalog_url.get_secret_value()
            environment[f"{prefix}KEYS_FILE"] = str(given.keys_file)

        def run(*args: str | Path, stdin: str | bytes | None = None, shows: bool = False) -> str:
            called = [str(arg) for arg in args]
            out = ""
            seen.learn(domicile)
            for more in ([], ["--json"]):
                result = CliRunner(env=environment).invoke(app, [*called, *more], input=stdin)
                assert not isinstance(result.exception, Exception), result.exception
                where = f"domicile {' '.join(called[:2])} {' '.join(more)}"
                seen.note(f"stderr of {where}", result.stderr)
                if not shows:
                    seen.note(f"stdout of {where}", result.stdout)
                out = out or result.stdout.strip()
            return out

        return run

    def test_a_life_without_trouble(
        self, domicile: Domicile, seen: Seen, run: Callable[..., str], tmp_path: Path
    ) -> None:
        """No command shows a secret, except content that it is asked to show."""
        domicile.tenant()
        file = tmp_path / FILENAME
        file.write_text(BODY)
        about = ["--subject", SUBJECT, "--group", GROUP, "--metadata", json.dumps(METADATA)]
        put = ["put", "acme-eu", "--class"]
        prompt = run(*put, "prompt", file, *about, "--key", KEY)
        stored = run(*put, "fine_tuning_file", file, "--subject", SUBJECT)
        run("get", "acme-eu", prompt, *READ, shows=True)
        run(
            "get",
            "acme-eu",
            stored,
            "--purpose",
            "serve",
            "--actor",
            "chat",
            "-o",
            tmp_path / "out",
            shows=True,
        )
        run("list", "acme-eu", "--subject", SUBJECT, "--group", GROUP)
        run("explain", "acme-eu", prompt)
        why = ["--subject", "-", "--reason", "subject_request"]
        run("erase", "acme-eu", *why, "--dry-run", stdin=SUBJECT)
        erasure = run("erase", "acme-eu", *why, "--yes", stdin=SUBJECT)
        run("worker", "--dry-run")
        run("worker", "--once")
        run("erasure", "show", erasure)
        run("erasure", "list")
        for command in (["status"], ["doctor"], ["tenant", "list"], ["init"], ["region", "list"]):
            run(*command)
        run("receipt", "key", "--region", "eu-central-1")

        assert prompt.startswith("prompt.eu-central-1.")

    def test_commands_that_fail(
        self, domicile: Domicile, seen: Seen, run: Callable[..., str], tmp_path: Path
    ) -> None:
        """No error repeats a misplaced argument."""
        domicile.tenant()
        away, about = tmp_path / FILENAME, ["--subject", SUBJECT, "--group", GROUP]
        put = ["put", "acme-eu", "--class", "prompt"]
        run(*put, away, *about)
        run(*put, "--metadata", BODY, stdin=BODY)
        run(*put, "--metadata", json.dumps({"x": BODY * 300}), stdin=BODY)
        run(*put, "--metadata", '{"x": NaN}', *about, stdin=BODY)
        run(*put, "--id", SUBJECT, stdin=BODY)
        run(*put, "--derived-from", SUBJECT, stdin=BODY)
        run(*put, "--key", KEY, *about, stdin=BODY)
        run(*put, "--key", KEY, *about, stdin=f"other {BODY}")
        run(*put, *about, stdin=f"{BODY}\0" * 1_000_000)
        run(*put, SUBJECT, GROUP)
        run("put", "acme-eu", "--class", BODY)
        run("put", "acme-eu", "--class", "fine_tuning_file", tmp_path, "--subject", SUBJECT)
        run("list", "acme-eu", "--subject", SUBJECT, "--limit", BODY)
        run("list", "acme-eu", "--subject", "")
        run("get", "acme-eu", SUBJECT, *READ)
        run("get", "acme-eu", SUBJECT, "--purpose", BODY, "--actor", "chat")
        run("explain", "acme-eu", SUBJECT)
        run("erase", "acme-eu", "--record", SUBJECT, "--reason", "subject_request", "--yes")
        run("erase", "acme-eu", "--subject", SUBJECT, "--reason", BODY, "--yes")
        run("erase", "acme-eu", "--subject", SUBJECT, "--all", "--reason", "subject_request")
        run("erase", "acme-eu", "--all", "--reason", "subject_request", "--ticket", f"{BODY}\n")
        run("receipt", "verify", away, "--key", away)
        run("receipt", "verify", "-", "--key", away, stdin=BODY)
        run("erasure", "show", SUBJECT)
        run(SUBJECT, GROUP)
