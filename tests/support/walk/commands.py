"""What each command is called with, by somebody whom no permit lets open anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from regions.load import load_topology
from regions.model import Purpose
from storage.cli.app import app
from storage.cli.exit_codes import Exit
from tests.support.cli_harness import CommandLine
from tests.support.walk.walking import SECRETS, Never

HOME, TENANT, REASON = "eu-central-1", "acme-eu", ("--reason", "contract_end")
NOBODY, DIGEST, BY = "0199c9d3-0000-7000-8000-000000000000", "d" * 64, ("--by", "ann")
BODY, NOTE = (secret.decode() for secret in SECRETS)


@dataclass(frozen=True)
class Command:
    """Arguments of a command, how it must end, and what it reads."""

    args: Sequence[str]
    ends: Exit = Exit.DONE
    stdin: str | None = None


Commands = Mapping[str, Sequence[Command] | Never]


@dataclass
class Place:
    """A tenant on the command line with a record that nobody may open, and what it led to."""

    line: CommandLine
    folder: Path
    record: str
    hold: str
    erasure: str
    agreement: str


def build(line: CommandLine, folder: Path) -> Place:
    """Store the secrets, and make what the commands name."""
    metadata = ("--subject", "u", "--metadata", f'{{"note": "{NOTE}"}}')
    record = line.put(BODY, *metadata)
    line.told("put", TENANT, "--class", "fine_tuning_file", "--filename", NOTE, stdin=BODY)
    placed = line.told(*_PLACE, stdin="u\n")["hold"]["id"]
    gone = ("--subject", "nobody", "--reason", "subject_request", "--yes")
    erasure = line.told("erase", TENANT, *gone)["erasure"]["id"]
    (agreement,) = line.told("tenant", "agreement", "list", TENANT)["agreements"]
    line.told("worker", "--once")
    return Place(line, folder, record, placed, erasure, agreement["id"])


_PLACE = (
    *("hold", "place", TENANT, "--subject", "-", "--no-future", "--review", "2999-01-15"),
    *("--matter", "Doe v. Acme", "--authority", "court", "--issuer", "counsel"),
    *("--jurisdiction", "EU", "--document", "0" * 64),
)


def leaves(command: object = None, name: str = "") -> Iterator[str]:
    """Yield the name of every command that has no commands of its own."""
    command = command or typer.main.get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        yield name
        return
    for part, each in below.items():
        yield from leaves(each, f"{name} {part}".strip())


def commands(place: Place) -> Commands:
    """Return what each command is called with."""
    parts = (_records, _evidence, _holds, _people, _consents, _tenants, _companies, _operation)
    return {name: given for part in parts for name, given in part(place).items()}


def does(*args: str, ends: Exit = Exit.DONE, stdin: str | None = None) -> list[Command]:
    """Return one command."""
    return [Command(args, ends, stdin)]


def _records(place: Place) -> Commands:
    record, out = place.record, str(place.folder / "body")
    stranger = ("--actor", "investigator", "--output", out, "--force")
    tuning = {Purpose.FINE_TUNE: ("--job", "j", "--model", "m")}
    reads = [
        Command((TENANT, record, "--purpose", p, *stranger, *tuning.get(p, ())), Exit.REFUSED)
        for p in Purpose
        if p not in {Purpose.SERVE, Purpose.FINE_TUNE}  # for those --actor is a service
    ]
    all_of = ("--subject", "u", *stranger)
    return {
        "put": does(TENANT, "--class", "prompt", "--subject", "v", stdin=BODY),
        "get": [*reads, *does(TENANT, record, "--purpose", "serve", ends=Exit.INVALID)],
        "list": [*does(TENANT), *does(TENANT, "--subject", "u")],
        "export": does(TENANT, *all_of, "--purpose", "subject_request", ends=Exit.REFUSED),
        "explain": does(TENANT, record),
        "erase": does(TENANT, "--subject", "v", *REASON, "--dry-run"),
        "erasure show": does(place.erasure),
        "erasure list": does(),
    }


def _evidence(place: Place) -> Commands:
    folder = place.folder
    token, key = folder / "token", folder / "key.pem"
    token.write_text(place.line("erasure", "show", place.erasure, "--receipt").stdout)
    key.write_text(place.line("receipt", "key", "--region", HOME).stdout)
    log_key = place.line.told("log", "key", "--region", HOME)["keys"][HOME][0]
    line = place.line.told("log", "show", "--region", HOME)["lines"][0]["line"]
    place.line.told("log", "export", folder / "tiles", "--region", HOME)
    return {
        "receipt verify": does(str(token), "--key", str(key)),
        "receipt key": does("--region", HOME),
        "receipt export": does(str(folder / "receipts"), "--all"),
        "access report": does("--from", "2000-01-01"),
        "log show": does(),
        "log prove": does(line),
        "log export": does(str(folder / "more"), "--region", HOME),
        "log key": does("--region", HOME),
        "log verify": does(str(folder / "tiles" / HOME), "--key", log_key),
    }


def _holds(place: Place) -> Commands:
    refused = Exit.REFUSED  # whoever calls is no person
    decided = ("--permitted", "--document", DIGEST)
    return {
        "hold place": does(*_PLACE[2:], stdin="nobody\n"),
        "hold list": does(),
        "hold show": does(place.hold),
        "hold confirm": does(place.hold, ends=refused),
        "hold release": does(place.hold, "--why", "over", ends=refused),
        "hold narrow": does(place.hold, "--why", "less", "--class", "completion", ends=refused),
        "hold decide": does(place.hold, *decided, ends=refused),
        "hold approve": does(NOBODY, ends=Exit.NOT_THERE),
        "hold records": does(place.hold),
    }


def _people(place: Place) -> Commands:
    entry = ("--kind", "employee", "--role", "safety", "--employer", "us", "--location", "EU")
    why = ("--records", "9", "--hours", "8", "--justification", "why", "--case", "C-1")
    asks = ("--purpose", "subject_request", "--actor", "investigator", "--subject", "u", *why)
    pem = place.folder / "approver.pem"
    place.line.told("grant", "keygen", pem)
    none = Exit.NOT_THERE
    return {
        "roster enter": does(HOME, "erin", *entry, "--since", "2026-01-01", "--login", "erin"),
        "roster list": does(HOME),
        "roster login": does("erin"),
        "grant request": does(TENANT, *asks, ends=Exit.REFUSED),
        "grant approve": does(NOBODY, "--key", str(pem), "--yes", ends=none),
        "grant revoke": does(NOBODY, ends=none),
        "grant list": does(),
        "grant show": does(NOBODY, ends=none),
        "grant keygen": does(str(place.folder / "another.pem")),
    }


def _consents(place: Place) -> Commands:
    (wording,) = load_topology().wordings
    about = ("--class", "prompt", "--purpose", "train", *BY)
    early = ("--given", "2022-06-01", "--document", "c" * 64)
    listed = ("--listed", "2026-01-01T00:00:00Z", "--document", DIGEST, *BY)
    manifest = place.folder / "manifest"
    manifest.write_text("none")
    key = str(place.folder / "key.pem")
    return {
        "consent give": does(TENANT, wording, *about),
        "consent withdraw": does(TENANT, *about),
        "consent opt-out": does(TENANT, *about, *early),
        "consent list": does(TENANT),
        "consent export": does(TENANT),
        "training exclusions": does("run-1", ends=Exit.NOT_THERE),
        "training confirm": does("run-1", *listed, ends=Exit.NOT_THERE),
        "training verify": does(str(manifest), "--key", key, ends=Exit.DAMAGED),
        "model add": does(TENANT, "acme-model", *BY),
        "model list": does(TENANT),
        "model exclusions": does(TENANT, "acme-model"),
        "model confirm": does(TENANT, "acme-model", *listed, ends=Exit.NOT_THERE),
    }


def _tenants(place: Place) -> Commands:
    terms = ("--account", "acme", "--home", HOME, "--residency", "EU", "--dpa", "2026-01-05")
    signed = ("--signed", "2026-01-05", "--document", DIGEST, "--signatory", "Ada")
    says = ("--by", "ann", "--ticket", "T-1")
    refused, none = Exit.REFUSED, Exit.NOT_THERE
    choice = (TENANT, "delete", "--on", "2999-01-01", "--document", DIGEST)
    return {
        "apikey create": does(TENANT, "--scope", "read"),
        "apikey list": does(TENANT),
        "apikey revoke": does(NOBODY, ends=none),
        "tenant ensure": does("brief", *terms),
        "tenant list": does(),
        "tenant remove": does("brief"),
        "tenant retention": does(TENANT, "prompt", "20", "--dry-run"),
        "tenant object": does(TENANT, "nobody", *says, ends=refused),
        "tenant withdraw": does(TENANT, "nobody", *says, ends=refused),
        "tenant objections": does(TENANT),
        "tenant agreement add": does(TENANT, "--kind", "dpa", *signed),
        "tenant agreement list": does(TENANT),
        "tenant agreement end": does(place.agreement, "--until", "2999-01-01"),
        "tenant exit choose": does(*choice, ends=refused),
        "tenant exit notice": does(NOBODY, "--document", DIGEST, ends=none),
        "tenant exit confirm": does(NOBODY, ends=none),
        "tenant exit list": does(TENANT),
    }


def _companies(place: Place) -> Commands:
    ops = ("--actor", "ops")
    part = ("--part", "keys", "--region", HOME, *ops, "--document", DIGEST)
    document = str(place.folder / "key.pem")
    return {
        "processor list": does(),
        "processor copies": does(),
        "processor attest": does(NOBODY, "--document", document, *ops, ends=Exit.NOT_THERE),
        "processor key": does("--region", HOME),
        "subprocessor list": does(),
        "subprocessor diff": does("2026-01-01", "2026-02-01", ends=Exit.INVALID),
        "subprocessor notice": does("klarblick", "--output", str(place.folder / "notices")),
        "subprocessor drain": does("meerspeicher", "--dry-run"),
        "subprocessor attest": does("meerspeicher", *part, ends=Exit.INVALID),
    }


def _operation(place: Place) -> Commands:
    settings, wrong = Exit.CONFIGURATION, Exit.INVALID
    new = ("--jurisdiction", "EU", "--backend", "directory=meerspeicher", "--steward", "x")
    by = ("--actor", "ops")
    return {
        "init": does(),
        "doctor": does(),
        "serve": Never("it serves until it is told to end"),
        "demo": Never("it has a Domicile of its own, and shows what is in it"),
        "worker": does("--once"),
        "scrub": does(),
        "status": does(),
        "recover": does("--dry-run"),
        "what-if": does("--remove", "klarblick"),
        "region list": does(),
        "region new": does("eu-west-9", *new, ends=wrong),
        "region provision": does("eu-west-9", ends=Exit.REFUSED),
        "region retire": does("nowhere", ends=Exit.REFUSED),
        "topology new": does(str(place.folder / "second")),
        "backend posture": does(),
        "backend accept": does("eu-a", *by, "--reason", "why"),
        "backend retire": does("eu-b", ends=Exit.REFUSED),
        "backend lost": does("eu-b", *by, "--document", DIGEST, ends=wrong),
        "key rotate": does(HOME, "--section", "signing"),
        "key split": does("nowhere", str(place.folder / "root"), ends=Exit.REFUSED),
        "keyservice init": does(ends=settings),
        "keyservice serve": does(ends=settings),
        "keyservice rotate": does(ends=settings),
        "policy explain": does(place.record, "--tenant", TENANT, "--purpose", "serve"),
        "policy check": Never("it opens no region, and takes a minute"),
        "policy diff": Never("it compares two topologies, and opens no region"),
    }
