"""``topology new`` and ``region new`` on the command line."""

import json
from pathlib import Path

import pytest

from storage.cli.exit_codes import Exit
from tests.support.alembic_place import EU, Place, make, theirs
from tests.support.cli_harness import CommandLine as Domicile

__all__ = ["make", "theirs"]


class TestCommandsOfDomicile:
    def test_a_new_topology_is_told_in_one_document(self, line: Domicile, tmp_path: Path) -> None:
        """Alembic prints nothing in between. A directory with anything in it is refused."""
        told = line.told("topology", "new", tmp_path / "t")
        again = line("topology", "new", tmp_path / "t")

        assert {"regions", "versions"} <= {Path(name).parent.name for name in told["files"]}
        assert again.exit_code == Exit.INVALID
        assert "is not empty" in " ".join(again.stderr.split())

    @pytest.mark.parametrize("below", [False, True])
    def test_a_new_topology_needs_a_directory(
        self, line: Domicile, tmp_path: Path, *, below: bool
    ) -> None:
        """A file is none, nor is what is below one. Nothing of this is about the home directory."""
        file = tmp_path / "file"
        file.write_text("mine")

        code, error = line.error("topology", "new", file / "t" if below else file)

        assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
        assert "cannot be made" in error["message"]
        assert "Name a directory that does not exist yet" in error["advice"]
        assert file.read_text() == "mine"

    def test_a_new_topology_where_nothing_can_be_made(self, line: Domicile) -> None:
        """The kernel says so, and it is no bug of ours."""
        code, error = line.error("topology", "new", "/proc/nope")

        assert (code, error["code"]) == (Exit.INVALID, "InvalidRequest")
        assert "/proc/nope cannot be made or written: No such file" in error["message"]

    def test_a_new_region_is_a_file_and_a_revision(self, theirs: Place, line: Domicile) -> None:
        """Both are written, and nothing else: they are for a review."""
        made = line(
            *("region", "new", "eu-west-1", "--jurisdiction", "EU", "--steward", "quellwerk"),
            *(
                "--backend",
                "name=west-a,kind=s3,sub_processor=lindenhost,bucket=b,aws_region=eu-west-1",
            ),
            *("--replicas", "1"),
            environment={"DOMICILE_TOPOLOGY": str(theirs.directory)},
        )

        assert made.exit_code == Exit.DONE, made.output
        theirs.alembic("upgrade", "heads")
        assert "No new upgrade operations" in theirs.alembic("check")

    def test_a_new_region_may_have_backends_of_a_tenant(
        self, theirs: Place, line: Domicile
    ) -> None:
        """Its entry lists them, and so does the command that lists regions."""
        rest = "kind=directory,sub_processor=lindenhost,path="
        given = {"w": "w", "own": "own,dedicated_to=acme+bolt"}
        backends = [("--backend", f"name={name},{rest}{more}") for name, more in given.items()]
        environment = {"DOMICILE_TOPOLOGY": str(theirs.directory)}
        made = line(
            *("region", "new", "eu-west-1", "--jurisdiction", "EU", "--steward", "quellwerk"),
            *(word for pair in backends for word in pair),
            *("--replicas", "1"),
            environment=environment,
        )
        listed = line("region", "list", "--json", environment=environment)

        assert made.exit_code == Exit.DONE, made.output
        theirs.alembic("upgrade", "heads")
        assert "No new upgrade operations" in theirs.alembic("check")
        (west,) = (r for r in json.loads(listed.stdout)["regions"] if r["region"] == "eu-west-1")
        owners = {b["backend"]: b["dedicated_to"] for b in west["backends"]}
        assert owners == {"w": [], "own": ["acme", "bolt"]}

    @pytest.mark.parametrize(
        ("name", "jurisdiction", "backend", "says"),
        [
            (EU, "EU", "name=x,kind=directory,sub_processor=lindenhost,path=x", "exists"),
            ("x", "XX", "name=x,kind=directory,sub_processor=lindenhost,path=x", "jurisdiction"),
            (
                "x",
                "EU",
                "name=x,kind=s3,sub_processor=lindenhost,bucket=b,aws_region=us-east-1",
                "is in US",
            ),
            ("x", "EU", "name=x,kind=directory,sub_processor=nobody,path=x", "nobody"),
            ("x", "EU", "name", "KEY=VALUE"),
            ("../x", "EU", "name=x,kind=directory,sub_processor=lindenhost,path=x", "name"),
        ],
    )
    def test_what_would_not_load_is_not_written(
        self,
        theirs: Place,
        *,
        line: Domicile,
        name: str,
        jurisdiction: str,
        backend: str,
        says: str,
    ) -> None:
        """One refusal, and no file."""
        before = sorted(theirs.directory.rglob("*"))

        refused = line(
            *("region", "new", name, "--jurisdiction", jurisdiction, "--steward", "quellwerk"),
            *("--backend", backend, "--replicas", "1"),
            environment={"DOMICILE_TOPOLOGY": str(theirs.directory)},
        )

        assert refused.exit_code != Exit.DONE
        assert says in " ".join(refused.stderr.split())
        assert sorted(theirs.directory.rglob("*")) == before
