"""``tenant ensure`` and ``tenant list``: the terms of tenants."""

import pytest

from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine, ensure_tenant


class TestTenants:
    def test_terms_are_kept_and_listed(self, line: CommandLine) -> None:
        """The list shows the terms that ensure was given."""
        more = ["--retention", "prompt=7", "--dedicated", "--dpa-until", "2030-01-01"]
        more += ["--trait", "no_human_review"]
        ensure_tenant(line, "beta-us", "us-east-1", "US", *more)

        told = line.told("tenant", "list", "--region", "us-east-1")

        assert told["next"] is None
        assert told["tenants"] == [
            {
                "id": "beta-us",
                "account": "acme",
                "home": "us-east-1",
                "residency": "US",
                "service": "api",
                "retention": {"prompt": 7},
                "dedicated": True,
                "traits": ["no_human_review"],
                "agreements": [
                    {
                        "kind": "dpa",
                        "signed": "2026-01-05",
                        "until": "2030-01-01",
                        "since": None,
                        "document": None,
                        "signatory": None,
                    }
                ],
            }
        ]
        assert "dpa 2026-01-05 until 2030-01-01" in line("tenant", "list").stdout

    def test_a_page_names_the_next(self, line: CommandLine) -> None:
        """As long as there may be more."""
        first = line.told("tenant", "list", "--limit", "1")
        second = line.told("tenant", "list", "--limit", "1", "--after", first["next"])

        assert first["tenants"][0]["id"] == first["next"] == "acme-eu"
        assert second["tenants"][0]["id"] > "acme-eu"

    @pytest.mark.parametrize(
        ("terms", "code"),
        [
            (["--residency", "CH"], Exit.REFUSED),
            (["--residency", "EU", "--service", "chat"], Exit.REFUSED),
            (["--residency", "EU", "--dpa", "yesterday"], Exit.INVALID),
            (["--residency", "EU", "--dpa-until", "2027-01-01"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt=99"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt=٣٠"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt=+7"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt=1_0"], Exit.INVALID),
            (["--residency", "EU", "--retention", "prompt= 7"], Exit.INVALID),
            (
                ["--residency", "EU", "--retention", "prompt=5", "--retention", "prompt=7"],
                Exit.INVALID,
            ),
        ],
    )
    def test_bad_terms_are_refused(self, line: CommandLine, terms: list[str], code: Exit) -> None:
        """Each refusal has a message and advice."""
        given = ["tenant", "ensure", "other", "--account", "acme", "--home", "eu-central-1"]

        ended, error = line.error(*given, *terms)

        assert ended == code
        assert error["message"]
        assert error["advice"]

    def test_only_without_any_agreement_it_says_so(self, line: CommandLine) -> None:
        """What is in the history stays there without --dpa."""
        ensure_tenant(line, "beta-eu", "eu-central-1", "EU")
        terms = ("--account", "acme", "--home", "eu-central-1", "--residency", "EU")

        again = line("tenant", "ensure", "beta-eu", *terms).stderr
        other = line("tenant", "ensure", "gamma-eu", *terms).stderr

        assert "No agreement is recorded" not in again
        assert "No agreement is recorded" in other
