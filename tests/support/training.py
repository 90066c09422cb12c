"""A topology that permits training, and consents to it."""

import shutil
from datetime import date, datetime
from pathlib import Path

import pytest

from storage.client.training import Training
from storage.model import Actor, Consent, DataClass, Purpose
from storage.testing import Domicile
from tests.support.screening import MILL, machine
from tests.support.topology_files import CLASSES, SHIPPED

PROMPTS = "a" * 64  # the wording for prompts and completions
FILES = "b" * 64  # the wording that names files too
OPTED_OUT = "c" * 64  # a document
TRAIN = (Purpose.TRAIN,)

_WORDINGS = f"""
[[wordings]]
digest = "{PROMPTS}"
title = "Training on prompts and completions"
language = "en"
classes = ["prompt", "completion"]
purposes = ["train"]
since = 2025-01-01

[[wordings]]
digest = "{FILES}"
title = "Training on everything"
language = "de"
classes = ["prompt", "completion", "fine_tuning_file"]
purposes = ["train"]
since = 2025-06-01
"""


def training_topology(directory: Path) -> Path:
    """Return the shipped topology in which every class may be opened for training."""
    shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
    permit_all(directory)
    return directory


def permit_all(directory: Path) -> None:
    """Let a topology permit training on every class."""
    classes = directory / CLASSES
    classes.write_text(
        classes.read_text().replace('purposes = ["serve"', 'purposes = ["train", "serve"')
    )
    (directory / "consents.toml").write_text(_WORDINGS)


@pytest.fixture
def training(domicile: Domicile, tmp_path: Path) -> Domicile:
    """A Domicile whose topology permits training, a tenant, and a machine of the roster."""
    permit_training(domicile, tmp_path)
    domicile.tenant()
    machine(domicile)
    return domicile


def permit_training(domicile: Domicile, directory: Path) -> None:
    """Open the store with a topology that permits training."""
    topology = training_topology(directory / "training")
    domicile.settings = domicile.settings.model_copy(update={"topology": topology})
    domicile.open()


def consent(
    domicile: Domicile,
    tenant: str = "acme-eu",
    *,
    subject: str | None = None,
    wording: str = PROMPTS,
    classes: tuple[DataClass, ...] = (DataClass.PROMPT, DataClass.COMPLETION),
    given: datetime | None = None,
    covers_from: date | None = None,
) -> Consent:
    """Consent to training."""
    return domicile.store.consents.give(
        tenant,
        wording=wording,
        classes=classes,
        purposes=TRAIN,
        by="ann",
        subject=subject,
        given=given,
        covers_from=covers_from,
    )


def withdraw(domicile: Domicile, tenant: str = "acme-eu", *, subject: str | None = None) -> Consent:
    """Withdraw the consent to training on prompts and completions."""
    return domicile.store.consents.withdraw(
        tenant,
        classes=(DataClass.PROMPT, DataClass.COMPLETION),
        purposes=TRAIN,
        by="ann",
        subject=subject,
    )


def opt_out(
    domicile: Domicile, given: datetime, tenant: str = "acme-eu", *, subject: str | None = None
) -> Consent:
    """Refuse training, at a time before anybody was asked."""
    return domicile.store.consents.opt_out(
        tenant,
        document=OPTED_OUT,
        given=given,
        classes=(DataClass.PROMPT, DataClass.COMPLETION),
        purposes=TRAIN,
        by="ann",
        subject=subject,
    )


def train(
    domicile: Domicile,
    run: str = "run-1",
    tenant: str = "acme-eu",
    *classes: DataClass,
    actor: Actor = MILL,
) -> Training:
    """Return a training read of a tenant's prompts, or of other classes."""
    return domicile.store.training(
        tenant, run=run, actor=actor, classes=classes or (DataClass.PROMPT,)
    )


def bodies(read: Training) -> list[bytes]:
    """Return what is handed out."""
    with read:
        return [one.record.body for one in read]
