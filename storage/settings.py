"""Settings: addresses and secrets, from ``DOMICILE_*``. What lives where is in the topology."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from storage.backends.s3 import S3Credentials
from storage.errors import SettingsError

PREFIX = "DOMICILE_"


def _dashed(given: object) -> object:
    """Environment variables cannot hold the hyphens of names."""
    if isinstance(given, Mapping):
        return {str(name).lower().replace("_", "-"): value for name, value in given.items()}
    return given


def default_home() -> Path:
    """``~/.domicile``; for root a place whose parents others may enter, as PostgreSQL needs."""
    return Path("/var/lib/domicile") if os.geteuid() == 0 else Path.home() / ".domicile"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RegionSettings(_Part):
    """What a process needs to serve a region."""

    catalog_url: SecretStr
    """The region's database, ``postgresql://...``. A process serves the regions that have one."""
    keys_file: Path
    """The region's key file (mode 0600)."""


class Settings(BaseSettings):
    """All settings of a process. Without ``regions`` it serves the whole topology, embedded.

    ``DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL=postgresql://...`` and so on: ``__`` separates,
    ``_`` stands for the hyphens of a name.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    home: Path = Field(default_factory=default_home)
    """The directory of the embedded PostgreSQL, the keys and relative paths of backends."""
    topology: Path | None = None
    """A directory of TOML files like ``regions/data``. Unset: the shipped example."""
    regions: Annotated[dict[str, RegionSettings], BeforeValidator(_dashed)] = {}
    """The regions that this process serves. None: it runs embedded."""
    backends: Annotated[dict[str, S3Credentials], BeforeValidator(_dashed)] = {}
    """The credentials of S3 backends."""
    connections: int = Field(default=10, ge=2, le=100)
    """Connections to each catalog, 2 to 100."""

    @property
    def embedded(self) -> bool:
        """Whether PostgreSQL and all data live under ``home``."""
        return not self.regions


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the environment. Raises SettingsError; no message shows a value."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper().split("__")[0] not in known:
            raise SettingsError(
                f"{name} is no setting.", advice=f"There are: {', '.join(sorted(known))}."
            )
    try:
        return Settings()
    except UnreadableSetting as error:  # it names the field, and shows no value
        raise SettingsError(
            f"A {PREFIX}* setting cannot be read: {error}.",
            advice=f"Set {PREFIX}REGIONS__EU_CENTRAL_1__CATALOG_URL and the like, one by one.",
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = "__".join(str(part) for part in first["loc"]).upper().replace("-", "_")
        raise SettingsError(f"{PREFIX}{where}: {first['msg']}.") from None
