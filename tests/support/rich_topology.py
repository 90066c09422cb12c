"""A topology that has what the shipped one lacks, so that every clause of the policy matters."""

import shutil
from pathlib import Path

from tests.support.topology_files import (
    CLASSES,
    COMPANIES,
    CONSENTS,
    EPOCHS,
    EU,
    RESIDENCIES,
    SHIPPED,
    edit,
)

_REGION = """
name = "eu-2"
jurisdiction = "EU"
replicas = 1
required = 1
catalog_backup_days = 7
staff_max = 2
catalog = { sub_processor = "quellwerk", location = "EU" }
keys = { sub_processor = "quellwerk", location = "EU" }
backups = { sub_processor = "quellwerk", location = "EU" }
"""
_THIRD = """
[[backends]]
name = "eu-c"
kind = "directory"
sub_processor = "lindenhost"
path = "backends/eu-c"

[[backends]]
name = "eu-d"
kind = "directory"
sub_processor = "meerspeicher"
path = "backends/eu-d"
retires = true
"""
_COMPANIES = """
[[sub_processors]]
name = "both-sides"
title = "Both Sides Inc. (invented)"
service = "moderation"
jurisdictions = ["EU", "US"]
agreement = "BS-1"
since = 2025-01-01

[sub_processors.connector]
kind = "manual"
lead_hours = 72

[[sub_processors]]
name = "no-way"
title = "No Way GmbH (invented)"
service = "moderation"
jurisdictions = ["EU"]
agreement = "NW-1"
announced = 2026-01-01
notice_days = 30
since = 2026-03-01
until = 2027-03-01

[[sub_processors]]
name = "nowhere-yet"
title = "Nowhere Yet GmbH (invented)"
service = "moderation"
jurisdictions = []
agreement = "NY-1"
since = 2025-01-01

[sub_processors.connector]
kind = "manual"
lead_hours = 72
"""
_RESIDENCIES = """
[[residencies]]
name = "ANY"
jurisdictions = ["EU", "US"]
agreements = []

[[residencies]]
name = "HEALTH"
jurisdictions = ["EU"]
agreements = ["enterprise", "baa", "use_case"]
"""
_CLASSES = """
[[classes]]
name = "prompt"
retention_days = 7
ceiling_days = 3000
purposes = ["train", "abuse_screening", "abuse_investigation"]
handed_to = [{ service = "moderation", form = "raw", only = "flagged" }]

[[classes]]
name = "fine_tuning_file"
purposes = ["serve", "fine_tune", "subject_request"]
handed_to = [
  { service = "moderation", form = "raw" },
  { service = "human_review", form = "de_identified", only = "flagged" },
]

[[classes]]
name = "event"
retention_days = 45
ceiling_days = 70
floor_days = 40
purposes = ["serve"]

[[classes]]
name = "flag"
purposes = ["abuse_investigation", "subject_request"]

[[cascades]]
parent = "prompt"
child = "prompt"
cause = "erasure"

[bounds]
purge_hours = 30
compaction_hours = 48
"""
_EPOCHS = """
[[epochs]]
from = 2019-01-01
ceiling_days = { prompt = 20, fine_tuning_file = 400 }

[[epochs]]
from = 2021-01-01
train = "unless_opted_out"

[[epochs]]
from = 2023-03-01
train = "opted_in"
ceiling_days = { prompt = 60 }

[[epochs]]
from = 2100-01-01
"""


def rich_topology(folder: Path) -> Path:
    """Make the topology in a new folder, and return that.

    ``eu-central-1`` has more backends than are combined with each other, and requires two.
    ``eu-2`` has a backend that retires, and some that are dedicated, of which two retire. There is
    a residency without agreements; a class that names training, has a retention below its ceiling
    and is handed over only when it is flagged; one with a floor; and no class of completions.
    """
    data = shutil.copytree(SHIPPED, folder / "topology")
    _append(data / EU, _THIRD)
    edit(data / EU, "\nrequired = 1", "\nrequired = 2")
    backends = [
        ("own", 'dedicated_to = ["acme"]'),
        ("old", "retires = true"),
        ("shared", ""),
        ("own-old", 'dedicated_to = ["acme"]\nretires = true'),
        ("own-left", 'dedicated_to = ["bolt"]\nretires = true'),
    ]
    (data / "regions/eu-2.toml").write_text(
        _REGION
        + "".join(
            f'[[backends]]\nname = "q-{name}"\nkind = "directory"\nsub_processor = "quellwerk"\n'
            f'path = "backends/q-{name}"\n{more}\n'
            for name, more in backends
        )
    )
    _append(data / COMPANIES, _COMPANIES)
    _append(data / RESIDENCIES, _RESIDENCIES)
    (data / CLASSES).write_text(_CLASSES)
    (data / EPOCHS).write_text(_EPOCHS)
    edit(data / CONSENTS, '["prompt", "completion"]', '["prompt"]')
    return data


def _append(file: Path, text: str) -> None:
    file.write_text(f"{file.read_text()}\n{text}")
