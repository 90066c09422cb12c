"""``policy check`` and ``policy diff``, as a person and as CI run them."""

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from regions.load import load_topology
from regions.model import Topology
from storage.cli.app import app
from storage.cli.commands import policy_check
from storage.cli.exit_codes import Exit
from storage.cli.sub_processor_lists import today
from storage.policy import placement
from storage.policy.proof import SENTENCES, Property, families
from storage.policy.proof.family import Family
from tests.support.topology_files import (
    CLASSES,
    COMPANIES,
    CONSENTS,
    EPOCHS,
    EU,
    RESIDENCIES,
    SHIPPED,
    US,
    edit,
)

WORDING = "14910a74f1a076580f8becf5231648c9a567cf56704e617ec763f8a14bf7119f"
FOUNDED = "An agreement with a customer is recorded of no day before"
EVERY = "completion, event, fine_tuning_file, prompt"
AT_HOME = "of residency EU at home in eu-central-1"
BOTH_EPOCHS = "Data of the epoch of 2020-06-11, 2023-03-01"
FILES = f"Copies of fine_tuning_file (flagged or not) {AT_HOME}"


def domicile(*args: str | Path) -> Result:
    """Run a command on the topology of the example."""
    return CliRunner(env={"DOMICILE_TOPOLOGY": None}).invoke(app, [str(arg) for arg in args])


def changes(old: Path, new: Path) -> dict[str, list[str]]:
    """What ``policy diff`` says, by direction."""
    result = domicile("policy", "diff", old, new, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, list[str]] = {}
    for change in json.loads(result.stdout)["changes"]:
        found.setdefault(change["direction"], []).append(change["says"])
    return found


def append(file: Path, text: str) -> None:
    """Add to a file."""
    file.write_text(f"{file.read_text()}\n{text}")


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be changed."""
    return shutil.copytree(SHIPPED, tmp_path / "new")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A topology with one region and few companies, which is checked in seconds."""
    data = shutil.copytree(SHIPPED, tmp_path / "small")
    (data / US).unlink()
    text = (data / COMPANIES).read_text()
    begin = text.index('[[sub_processors]]\nname = "prairie-racks"')
    (data / COMPANIES).write_text(text[:begin])
    return data


def test_the_shipped_topology_holds() -> None:
    """A sentence and a number for each property, then the sum and the time."""
    result = domicile("policy", "check")

    assert result.exit_code == Exit.DONE, result.output
    lines = [line for line in result.stdout.splitlines() if " holds " in line]
    assert {line.partition(" holds ")[2].strip() for line in lines} == set(SENTENCES.values())
    assert all(int(line.split()[0].replace(",", "")) > 100 for line in lines)
    assert "VIOLATED" not in result.stdout
    said = re.search(r"([\d,]+) cases of 2 regions and \d+ companies, in", result.stderr)
    assert said is not None
    assert int(said[1].replace(",", "")) > 500_000


@pytest.fixture
def placements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is about placements is checked: the other properties have no case."""

    def about_placements(topology: Topology, on: date) -> list[Family]:
        return [one for one in families(topology, on) if one.about.startswith("placement")]

    monkeypatch.setattr(policy_check, "families", about_placements)


@pytest.mark.usefixtures("placements")
def test_a_program_reads_what_holds(small: Path) -> None:
    """Each property with its cases, and the digest of the topology."""
    result = domicile("policy", "check", "--topology", small, "--json")

    assert result.exit_code == Exit.DONE
    told = json.loads(result.stdout)
    assert told["holds"] is True
    assert told["topology"] == load_topology(small).digest
    assert {one["property"] for one in told["properties"]} <= set(Property)
    assert all(one["cases"] > 100 for one in told["properties"])
    assert all(one["violated"] == 0 for one in told["properties"])


@pytest.mark.usefixtures("placements")
def test_a_counterexample_is_told_in_words(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the decision broken: who, what, when, where, and what was given."""
    monkeypatch.setattr(placement, "inactive", lambda *_: None)

    result = domicile("policy", "check", "--topology", small)

    assert result.exit_code == Exit.VIOLATED
    said = " ".join(result.stdout.split())
    assert (
        f"A prompt of a tenant with residency EU at home in eu-central-1, written on {today()}, "
        "would be placed on eu-b of meerspeicher, which has not begun."
    ) in said
    assert "home eu-central-1; meerspeicher has not begun." in said
    violated = re.search(r"VIOLATED: ([\d,]+) +No placement is at a company", said)
    assert violated is not None
    assert int(violated[1].replace(",", "")) > 100


def test_explain_says_what_a_floor_and_a_shortened_retention_rest_on(changed: Path) -> None:
    """Days of the floor, hours of compaction and purge: each with the key that sets it."""
    edit(changed / CLASSES, "floor_days = 184", "floor_days = 100")
    env = {"DOMICILE_TOPOLOGY": str(changed), "DOMICILE_REGIONS": None}
    said = CliRunner(env=env).invoke(app, ["policy", "explain", "--region", "eu-central-1"])

    assert said.exit_code == 0, said.output
    text = " ".join(said.stdout.split())
    assert "event 100 days; a tenant sets a retention of 102 days or more floor_days = 100" in text
    bound = text.split("counted from when a shortened retention ends reading")[1]
    promised = "Promised: 4 days (bounds.compaction_hours = 72, bounds.purge_hours = 24)"
    assert promised in bound.split("counted from")[0]

    told = json.loads(CliRunner(env=env).invoke(app, ["policy", "explain", "--json"]).stdout)
    (event,) = [one for one in told["classes"] if one["class"] == "event"]
    assert (event["floor_days"], event["least_days"]) == (100, 102)
    (shortened,) = [one for one in told["regions"]["eu-central-1"] if "shortened" in one["begins"]]
    assert shortened["limit"] == 96 * 3600


@pytest.mark.parametrize("command", [("policy", "explain"), ("worker", "--dry-run")])
@pytest.mark.parametrize("pause", ["inf", "nan", "1e308", "86401", "0"])
def test_a_pause_is_at_most_a_day(command: tuple[str, ...], pause: str) -> None:
    """No other number of seconds is taken, and it is no error of ours."""
    ended = CliRunner().invoke(app, [*command, "--pause", pause, "--json"])

    assert ended.exit_code == Exit.INVALID, ended.output
    assert "--pause" in json.loads(ended.stdout)["error"]["message"]


def test_a_directory_that_does_not_load_is_named(changed: Path, tmp_path: Path) -> None:
    """The file and the key; or that it is no directory."""
    (changed / CLASSES).write_text("")
    for args in (
        ("check", "--topology", changed),
        ("diff", SHIPPED, changed),
        ("diff", changed, SHIPPED),
    ):
        result = domicile("policy", *args)
        assert result.exit_code == Exit.CONFIGURATION
        assert "classes.toml: classes: is missing" in result.stderr

    (changed / CLASSES).write_bytes(b"\xff\xfe")
    result = domicile("policy", "check", "--topology", changed)
    assert (result.exit_code, "is not valid TOML" in result.stderr) == (Exit.CONFIGURATION, True)

    result = domicile("policy", "diff", SHIPPED, tmp_path / "absent")
    assert (result.exit_code, "is not a directory" in result.stderr) == (Exit.INVALID, True)


def test_topologies_without_a_common_region_are_not_compared(changed: Path) -> None:
    """It says which regions each has."""
    for file in (EU, US):
        (changed / file).unlink()
    text = (SHIPPED / EU).read_text().replace('"eu-central-1"', '"eu-9"')
    (changed / "regions/eu-9.toml").write_text(text)

    result = domicile("policy", "diff", SHIPPED, changed)

    assert result.exit_code == Exit.INVALID
    assert "no region in common: eu-central-1, us-east-1 and eu-9" in result.stderr


def test_the_same_topology_has_no_difference(changed: Path) -> None:
    """Nor has one whose text differs alone."""
    assert "are the same" in domicile("policy", "diff", SHIPPED, changed).stderr

    edit(changed / COMPANIES, 'title = "Lindenhost GmbH', 'title = "Lindenhost AG')
    result = domicile("policy", "diff", SHIPPED, changed, "--fail-on", "broader")

    assert (result.exit_code, result.stdout) == (Exit.DONE, "")
    assert "nothing is permitted or forbidden that was not before" in result.stderr


def test_a_new_company_is_where_data_may_newly_be(changed: Path) -> None:
    """From its first day on; and only that is broader."""
    first = today() + timedelta(days=90)
    append(
        changed / COMPANIES,
        '\n[[sub_processors]]\nname = "neu"\ntitle = "Neu"\nservice = "hosting"\n'
        f'jurisdictions = ["EU"]\nagreement = "A"\nsince = {first}\n',
    )
    append(
        changed / EU,
        '\n[[backends]]\nname = "eu-n"\nkind = "directory"\nsub_processor = "neu"\npath = "n"\n',
    )

    assert changes(SHIPPED, changed) == {
        "broader": [
            f"{EVERY} {AT_HOME} may now be at neu in EU, from {first} on.",
        ]
    }
    result = domicile("policy", "diff", SHIPPED, changed, "--fail-on", "broader")
    assert result.exit_code == Exit.BROADER
    assert domicile("policy", "diff", changed, SHIPPED, "--fail-on", "broader").exit_code == 0


def test_an_agreement_that_ends_is_narrower(changed: Path) -> None:
    """Nothing new goes there when it is leaving; the other place stays."""
    until = today() + timedelta(days=100)
    leaves = until - timedelta(days=10)
    edit(
        changed / COMPANIES,
        'name = "lindenhost"',
        f'name = "lindenhost"\nuntil = {until}\nexit_days = 10',
    )

    assert changes(SHIPPED, changed) == {
        "narrower": [
            f"{EVERY} {AT_HOME} may no longer be at lindenhost in EU, from {leaves} on.",
        ]
    }


NUMBERS = [
    (
        CLASSES,
        "ceiling_days = 366",
        "ceiling_days = 400",
        "broader",
        "A tenant may set the retention of an event to at most: 400 days; before: 366 days.",
    ),
    (
        CLASSES,
        "retention_days = 30\nceiling_days = 30",
        "retention_days = 7\nceiling_days = 30",
        "narrower",
        "A prompt is kept for at most: 7 days; before: 30 days.",
    ),
    (
        CLASSES,
        'purposes = ["serve", "fine_tune",',
        'purposes = ["serve",',
        "narrower",
        "fine_tuning_file may no longer be opened for fine_tune.",
    ),
    (
        CLASSES,
        'handed_to = [{ service = "moderation", form = "raw" }]',
        "",
        "narrower",
        f"{FILES} may no longer be handed over to handverlesen, klarblick.",
    ),
    (
        CLASSES,
        'parent = "completion"\nchild = "prompt"',
        'parent = "completion"\nchild = "fine_tuning_file"',
        "broader",
        "prompt may now stay when completion, from which it derives, is erased.",
    ),
    (
        RESIDENCIES,
        'jurisdictions = ["US"]\nagreements = ["dpa"]',
        'jurisdictions = ["US"]\nagreements = []',
        "broader",
        f"{EVERY} of residency US may now be stored without the dpa.",
    ),
    (
        RESIDENCIES,
        'name = "CH"\njurisdictions = ["CH"]',
        'name = "CH"\njurisdictions = ["EU"]',
        "broader",
        "A tenant with residency CH may now be at home in eu-central-1.",
    ),
    (
        EU,
        "catalog_backup_days = 7",
        "catalog_backup_days = 7\nstaff_max = 40",
        "broader",
        "The roster of eu-central-1 takes at most: 40 people; before: 25 people.",
    ),
    (
        EU,
        "\nrequired = 1",
        "\nrequired = 2",
        "narrower",
        "A write in eu-central-1 is acknowledged with: 2 replicas; before: 1 replicas.",
    ),
    (
        "jurisdictions.toml",
        'days = 1461 # four years\nreason = "To show that',
        'days = 2000\nreason = "To show that',
        "broader",
        "receipts are kept in EU for: 2000 days; before: 1461 days.",
    ),
    (
        COMPANIES,
        "lead_hours = 24\nmax_days = 14",
        "lead_hours = 24\nmax_days = 10",
        "narrower",
        "A copy at klarblick lives for at most: 10 days; before: 14 days.",
    ),
    (
        "epochs.toml",
        'train = "opted_in"',
        'train = "unless_opted_out"',
        "broader",
        f"{BOTH_EPOCHS} may now be used for training if the customer has said nothing.",
    ),
    (
        CLASSES,
        'purposes = ["serve", "abuse_screening"',
        'purposes = ["train", "serve", "abuse_screening"',
        "broader",
        "prompt may now be opened for train.",
    ),
    (
        CONSENTS,
        'classes = ["prompt", "completion"]',
        'classes = ["prompt", "completion", "fine_tuning_file"]',
        "broader",
        f"A consent for fine_tuning_file to train may now be recorded by the wording {WORDING}.",
    ),
    (
        CONSENTS,
        "since = 2025-01-01",
        "since = 2024-01-01",
        "broader",
        (
            f"A consent to the wording {WORDING} is recorded of no day before: 2024-01-01; before: "
            "2025-01-01."
        ),
    ),
    (
        "topology.toml",
        "founded = 2021-03-01",
        "founded = 1970-01-01",
        "broader",
        f"{FOUNDED}: 1970-01-01; before: 2021-03-01.",
    ),
    (
        "topology.toml",
        "[operator]\nfounded = 2021-03-01",
        "",
        "broader",
        f"{FOUNDED}: no limit; before: 2021-03-01.",
    ),
    (
        COMPANIES,
        "notice_days = 30",
        "notice_days = 10",
        "broader",
        "The notice of meerspeicher is: 10 days; before: 30 days.",
    ),
]


ADDRESSES = [
    (
        COMPANIES,
        "https://copies.klarblick.example/v1",
        "https://copies.elsewhere.example/v1",
        (
            "Copies for klarblick may be sent to https://copies.elsewhere.example/v1; before: "
            "https://copies.klarblick.example/v1."
        ),
    ),
    (
        COMPANIES,
        "S7tRXd3JILOkF-lBkG_6WbZqhGf-Hn4eMg7sf5FsK64",
        "A46c1-uT7g7XDu1MGhuqnESx22VK2CoVNODhtHd14Hk",
        (
            "Deletions at klarblick may be acknowledged with the key "
            "A46c1-uT7g7XDu1MGhuqnESx22VK2CoVNODhtHd14Hk; before: "
            "S7tRXd3JILOkF-lBkG_6WbZqhGf-Hn4eMg7sf5FsK64."
        ),
    ),
    (
        EU,
        'catalog = { sub_processor = "quellwerk",',
        'catalog = { hosts = ["db.elsewhere.example"], sub_processor = "quellwerk",',
        (
            "The catalog of eu-central-1 may be at db.elsewhere.example; before: the one host of "
            "catalog_url."
        ),
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "says"), ADDRESSES)
def test_another_address_or_key_is_broader(
    changed: Path, *, file: str, old: str, new: str, says: str
) -> None:
    """Both ways: which one is right, a person must say."""
    edit(changed / file, old, new)

    assert says in changes(SHIPPED, changed)["broader"]
    assert changes(changed, SHIPPED)["broader"]


def test_health_information_that_a_processor_may_newly_get_is_broader(changed: Path) -> None:
    """A business associate agreement with a processor, from its first day on."""
    first = today() + timedelta(days=9)
    before = shutil.copytree(changed, changed.with_name("old"))
    begun = "since = 2025-01-01\n"
    for data in (before, changed):
        text = (data / COMPANIES).read_text()
        for name in ("lindenhost", "meerspeicher", "quellwerk"):
            at = text.index(begun, text.index(f'name = "{name}"'))
            baa = f'baa = {{ document = "{"a" * 64}", since = 2025-01-01 }}\n'
            text = text[: at + len(begun)] + baa + text[at + len(begun) :]
        (data / COMPANIES).write_text(text)
    text = (changed / COMPANIES).read_text()
    at = text.index(begun, text.index('name = "klarblick"'))
    baa = f'baa = {{ document = "{"a" * 64}", since = {first} }}\n'
    (changed / COMPANIES).write_text(text[:at] + baa + text[at:])

    (says,) = changes(before, changed)["broader"]
    assert says.startswith("Copies of health information in completion, fine_tuning_file, prompt ")
    assert says.endswith(f"{AT_HOME} may now be handed over to klarblick, from {first} on.")


def test_the_ceiling_of_an_announced_epoch_is_said(changed: Path) -> None:
    """Before its first day a change of it is a change like any other."""
    first = today() + timedelta(days=90)
    text = f'[[epochs]]\nfrom = {first}\ntrain = "opted_in"\nceiling_days = {{ event = %s }}\n'
    old = shutil.copytree(changed, changed.with_name("old"))
    append(old / EPOCHS, text % 186)
    append(changed / EPOCHS, text % 366)

    says = f"An event of the epoch of {first} is kept for at most: 366 days; before: 186 days."
    assert says in changes(old, changed)["broader"]


_DAYS = "retention_days = 30\nceiling_days = 30"
_ENDS = "A prompt that is stored, of a tenant that {}, ends earlier: it is readable for {} days"
STORED = [
    (
        _DAYS,
        "retention_days = 7\nceiling_days = 30",
        "narrower",
        (
            f"{_ENDS.format('sets no retention', 5)}; before: for 28 days. What is older ends at "
            "once, and its bytes are gone 96 hours after its end."
        ),
    ),
    (
        _DAYS,
        "retention_days = 7\nceiling_days = 14",
        "narrower",
        _ENDS.format("set 15 days or more", 12),
    ),
    (
        "retention_days = 186",
        "retention_days = 300",
        "changed",
        (
            "An event that is stored, of a tenant that sets no retention, does not get longer: its "
            "id has its day, so it is readable for 184 days. What is written from then on is "
            "readable for 298 days."
        ),
    ),
    (
        "floor_days = 184",
        "floor_days = 100",
        "broader",  # what a law wants kept may be erased
        (
            "Of the events that are stored an erasure now leaves those of the last 100 days; "
            "before: those of the last 184 days. None is kept longer for it: each ends by its day. "
            "A tenant may set a retention of 102 days or more; before: 186 days or more."
        ),
    ),
    (
        "floor_days = 184",
        "",
        "broader",
        (
            "Of the events that are stored an erasure now leaves none; before: those of the last "
            "184 days. None is kept longer for it: each ends by its day. A tenant may set a "
            "retention of any number of days; before: 186 days or more."
        ),
    ),
]


@pytest.mark.parametrize(("old", "new", "direction", "says"), STORED)
def test_what_it_means_for_what_is_stored_is_said(
    changed: Path, *, old: str, new: str, direction: str, says: str
) -> None:
    """What ends earlier, what does not get longer, and what an erasure leaves."""
    edit(changed / CLASSES, old, new)

    assert any(says in one for one in changes(SHIPPED, changed)[direction])


def test_what_is_stored_is_destroyed_later_with_a_longer_purge_bound(changed: Path) -> None:
    """Its id has the day that the old bound gave it, so its bytes may outlive its ceiling."""
    edit(changed / CLASSES, "retention_days = 186", "retention_days = 200")
    old = shutil.copytree(changed, changed.with_name("old"))
    edit(changed / CLASSES, "purge_hours = 24 ", "purge_hours = 240 ")

    says = (
        "A prompt that is stored is destroyed up to 216 hours later than was promised when it "
        "came in, also if that is beyond its ceiling: "
    )
    assert any(one.startswith(says) for one in changes(old, changed)["broader"])
    assert not any("destroyed up to" in one for one in changes(changed, old).get("broader", []))


@pytest.mark.parametrize(("file", "old", "new", "direction", "says"), NUMBERS)
def test_what_is_permitted_is_said_with_what_was(
    changed: Path, *, file: str, old: str, new: str, direction: str, says: str
) -> None:
    """And the way back is the opposite."""
    edit(changed / file, old, new)

    assert says in changes(SHIPPED, changed)[direction]
    opposite = {"broader": "narrower", "narrower": "broader"}[direction]
    assert changes(changed, SHIPPED)[opposite]
