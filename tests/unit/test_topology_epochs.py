"""Loading the epochs of a topology: what is wrong is named, and nobody has to state any."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from regions.load import TopologyProblem, load_topology
from regions.model import DataClass, TrainRule
from tests.support.topology_files import CLASSES, EPOCHS, SHIPPED, edit

FIRST, SECOND = "from = 2020-06-11", "from = 2023-03-01"
LAST = """from = 2023-03-01
train = "opted_in"
ceiling_days = { prompt = 30, completion = 30 }
"""
TODAY = date(2026, 3, 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped topology, to be changed."""
    return shutil.copytree(SHIPPED, tmp_path / "data")


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        (SECOND, FIRST, "2.from", "is 2020-06-11, as that of the epoch before it"),
        (FIRST, "from = 2024-01-01", "2.from", "before that of the epoch before it (2024-01-01)"),
        (SECOND, f"{SECOND}\nuntil = 2024-01-01", "2.until", "is not a known key"),
        (FIRST, f"{FIRST}\nbegins = 2020-06-11", "1.begins", "is not a known key"),
        (f"{FIRST}\n", "", "1.from", "is missing"),
        (FIRST, 'from = "the beginning"', "1.from", "valid date"),
        (FIRST, "from = 2020-06-11T12:00:00Z", "1.from", "valid date"),
        ('train = "opted_in"', 'train = "always"', "2.train", "'unless_opted_out' or 'opted_in'"),
        (LAST, LAST.replace("30,", "-1,"), "2.ceiling_days.prompt", "greater than or equal to 0"),
        (LAST, LAST.replace("30,", "29,"), "2.ceiling_days.prompt", "below the retention of 30"),
        (LAST, LAST.replace("30,", "30, flag = 1,"), "2.ceiling_days.flag", "is for records"),
        (LAST, LAST.replace("30,", "30, memo = 1,"), "2.ceiling_days.memo.[key]", "should be"),
        (
            LAST,
            LAST.replace("30,", "30, fine_tuning_file = 90,"),
            "2.ceiling_days.fine_tuning_file",
            "keeps a fine_tuning_file until it is deleted",
        ),
        (
            LAST,
            f"{LAST}[[epochs]]\nfrom = 2030-01-01\nceiling_days = {{ prompt = 29 }}\n",
            "3.ceiling_days.prompt",
            "below the retention of 30",
        ),
    ],
)
def test_what_is_wrong_is_named(data: Path, old: str, new: str, key: str, reason: str) -> None:
    """With the position of the epoch in the file."""
    edit(data / EPOCHS, old, new)

    with pytest.raises(TopologyProblem) as caught:
        load_topology(data, today=TODAY)

    assert (caught.value.file, caught.value.key) == (str(data / EPOCHS), f"epochs.{key}")
    assert reason in caught.value.reason


def test_a_file_without_an_epoch_is_refused(data: Path) -> None:
    """A misspelt table would else state nothing, and permit or bind nothing."""
    for text, key in (("", "epochs"), ("epochs = []", "epochs"), ("[[epoch]]\n", "epoch")):
        (data / EPOCHS).write_text(text)
        with pytest.raises(TopologyProblem) as caught:
            load_topology(data)
        assert caught.value.key == key


def test_a_ceiling_for_a_class_that_is_not_defined_is_refused(data: Path) -> None:
    """In any epoch."""
    rules = (data / CLASSES).read_text().split("[[classes]]")
    kept = [rule for rule in rules if 'name = "completion"' not in rule]
    text = "[[classes]]".join(kept)
    (data / CLASSES).write_text(text.split("[[cascades]]")[0])

    with pytest.raises(TopologyProblem, match=r"completion is not in classes\.toml") as caught:
        load_topology(data)
    assert caught.value.key == "epochs.1.ceiling_days.completion"


def test_a_ceiling_of_the_past_may_be_below_the_retention_of_today(data: Path) -> None:
    """It binds records of the past. The last day of its epoch is not past yet."""
    edit(data / EPOCHS, "prompt = 30", "prompt = 7")

    assert load_topology(data, today=date(2023, 3, 1)).epochs[0].ceiling_days[DataClass.PROMPT] == 7
    with pytest.raises(TopologyProblem, match="below the retention of 30"):
        load_topology(data, today=date(2023, 2, 28))


def test_a_ceiling_of_the_past_is_not_below_a_floor(data: Path) -> None:
    """An event of that time would end before its floor is over."""
    for days in (0, 184, 185):
        edit(data / EPOCHS, "completion = 30", f"completion = 30, event = {days}")
        with pytest.raises(TopologyProblem, match="below the floor of 184") as caught:
            load_topology(data, today=TODAY)
        assert caught.value.key == "epochs.1.ceiling_days.event"
        edit(data / EPOCHS, f"completion = 30, event = {days}", "completion = 30")
    edit(data / EPOCHS, "completion = 30", "completion = 30, event = 186")
    assert load_topology(data, today=TODAY).epochs[0].ceiling_days[DataClass.EVENT] == 186


@pytest.mark.parametrize("name", [EPOCHS, "consents.toml", "topology.toml", "locations.toml"])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_not_taken_for_none(data: Path, name: str, *, linked: bool) -> None:
    """A mount that failed leaves a directory or a link to nothing: all epochs would be gone."""
    (data / name).unlink(missing_ok=True)
    load_topology(data)
    if linked:
        (data / name).symlink_to(data / "absent")
    else:
        (data / name).mkdir()
    with pytest.raises(TopologyProblem, match="cannot be read") as caught:
        load_topology(data)
    assert caught.value.file == str(data / name)


def test_a_topology_without_epochs_keeps_its_digest(data: Path) -> None:
    """Topologies from before go on as they are; with epochs the digest is another one."""
    shipped = load_topology(data)
    (data / EPOCHS).unlink()
    bare = load_topology(data)

    assert bare.epochs == ()
    assert "epochs" not in bare.model_dump(exclude_unset=True)
    assert bare.digest != shipped.digest


def test_the_example_has_the_two_epochs_of_its_terms() -> None:
    """Sharing was the default until March 1, 2023, and needs a decision from then on."""
    first, second = load_topology().epochs

    assert first.train is TrainRule.UNLESS_OPTED_OUT
    assert (second.begins, second.train) == (date(2023, 3, 1), TrainRule.OPTED_IN)
    for epoch in (first, second):
        assert epoch.ceiling_days == {DataClass.PROMPT: 30, DataClass.COMPLETION: 30}
