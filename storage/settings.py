"""Settings: addresses and secrets, from ``DOMICILE_*``. The topology says what is stored where."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from regions.errors import TopologyProblem
from regions.load import load_topology
from regions.model import DataClass, Topology
from storage import embedded
from storage.backends.s3 import S3Credentials
from storage.crypto.kms import KmsKey
from storage.errors import SettingsError, TopologyError
from storage.keyservice.address import Address
from storage.text import did_you_mean

PREFIX = "DOMICILE_"
LOGIN = r"[a-z][a-z0-9_]{0,62}"


def _dashed(given: object) -> object:
    """Turn ``_`` into ``-`` in names: the names of environment variables have no hyphens."""
    if isinstance(given, Mapping):
        return {str(name).lower().replace("_", "-"): value for name, value in given.items()}
    return given


def _directory(given: object) -> object:
    """Make the path of a directory absolute: messages show it, and a chdir changes nothing."""
    if given == "":
        raise ValueError("It is empty. Give a directory, or unset it")
    return Path(given).absolute() if isinstance(given, str | Path) else given


def default_home() -> Path:
    """Return ``~/.domicile``; for root a directory that the PostgreSQL user can enter."""
    return Path("/var/lib/domicile") if os.geteuid() == 0 else Path.home() / ".domicile"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RegionSettings(_Part):
    """The settings of one region."""

    catalog_url: SecretStr
    """The region's database, ``postgresql://...``. A process serves the regions that have one."""
    keys_file: Path
    """The region's key file (mode 0600)."""
    key_service: str | None = None
    """The region's key service, ``unix:/path`` or ``tls://host:port``. Unset: this process."""
    key_service_tls: Path | None = None
    """The directory of the certificates for a key service over TLS."""
    kms: KmsKey | None = None
    """The KMS key that wraps day keys, without a key service."""
    approvers_file: Path | None = None
    """The public keys of those who approve grants, without a key service.

    Unset, or a file that cannot be used: people open nothing, all else goes on.
    """

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        """Refuse what belongs to the key service if there is one."""
        if self.key_service is None:
            return self
        if self.kms is not None or self.approvers_file is not None:
            raise ValueError("KMS and APPROVERS_FILE belong to the key service, not beside it")
        if Address.parse(self.key_service).path is None and self.key_service_tls is None:
            raise ValueError("KEY_SERVICE_TLS is missing: the key service asks for a certificate")
        return self


class KeyServiceSettings(_Part):
    """The settings of ``domicile keyservice``."""

    region: str
    """The region whose keys it holds."""
    listen: str
    """Where it listens: ``unix:/path`` or ``tls://host:port``."""
    tls: Path | None = None
    """The directory of its certificates, for TLS."""
    catalog_url: SecretStr
    """The region's database, with a login that has the role ``domicile_keys``."""
    keys_file: Path | None = None
    """The key file with the root keys (mode 0600). Unset: they are in KMS alone."""
    kms: KmsKey | None = None
    """The KMS key that wraps new day keys. Those of the key file then open what they wrapped."""
    approvers_file: Path
    """The public keys of those who approve grants. The service must not be able to write it.

    If it cannot be used, people open nothing, all else goes on.
    """

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Refuse settings without root keys, or without certificates where they are needed."""
        if self.keys_file is None and self.kms is None:
            raise ValueError("KEYS_FILE or KMS is missing: there are no root keys")
        if Address.parse(self.listen).path is None and self.tls is None:
            raise ValueError("TLS is missing: only a Unix socket does without certificates")
        return self


class ServiceSettings(_Part):
    """The settings of ``domicile serve``."""

    host: str = "127.0.0.1"
    """Where it listens: an IP address or a name. Without TLS, a loopback address or localhost."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Its port. 0: one that is free."""
    tls_cert: Path | None = None
    """The file of its certificate chain (PEM), for TLS."""
    tls_key: Path | None = None
    """The file of the key of that certificate (PEM)."""
    purposes: dict[str, DataClass] = Field(
        default={"fine-tune": DataClass.FINE_TUNING_FILE}, min_length=1
    )
    """JSON: which purposes a file may have, and its class, which is ``fine_tuning_file``."""
    file_bytes: int = Field(default=1024**3, ge=1)
    """The most bytes that an uploaded file may have."""
    client_seconds: float = Field(default=30.0, ge=0.1, le=3600)
    """How long it waits for a client that sends or takes less than 16 KiB."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """Refuse to listen without TLS elsewhere than on this machine, and other classes."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS_CERT and TLS_KEY belong together: one of them is missing")
        if self.tls_cert is None and not _is_loopback(self.host):
            raise ValueError(
                "TLS_CERT and TLS_KEY are missing: without TLS it listens on a loopback address, "
                "and HOST is none"
            )
        if set(self.purposes.values()) - {DataClass.FINE_TUNING_FILE}:
            raise ValueError("PURPOSES: files are stored as fine_tuning_file, as no other class")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """The settings of a process.

    In the environment, ``__`` separates the parts of a name and ``_`` stands for a hyphen:
    ``DOMICILE_REGIONS__EU_CENTRAL_1__CATALOG_URL=postgresql://...``. A process serves only the
    regions that it has settings for. Without any, it serves all regions of the topology with an
    embedded PostgreSQL under ``home``.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    home: Annotated[Path, BeforeValidator(_directory)] = Field(default_factory=default_home)
    """The directory of the embedded PostgreSQL, the keys and relative paths of backends."""
    topology: Path | None = None
    """A directory of TOML files like ``regions/data``. Unset: the shipped example."""
    regions: Annotated[dict[str, RegionSettings], BeforeValidator(_dashed)] = {}
    """The regions that this process serves. None: it runs embedded."""
    keyservice: KeyServiceSettings | None = None
    """The settings of the key service, if this process is one."""
    service: ServiceSettings = ServiceSettings()
    """The settings of the HTTP service, if this process is one."""
    backends: Annotated[dict[str, S3Credentials], BeforeValidator(_dashed)] = {}
    """The credentials of S3 backends."""
    connections: int = Field(default=10, ge=2, le=100)
    """Connections to each catalog, 2 to 100."""
    login: Annotated[str | None, Field(pattern=f"^{LOGIN}$")] = None
    """Embedded: the login of a person to the catalogs. Unset: that of their owner."""

    @property
    def embedded(self) -> bool:
        """Whether PostgreSQL and all data are under ``home``."""
        return not self.regions


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of the environment. Raises SettingsError, which shows no value."""
    known = sorted(f"{PREFIX}{name}".upper() for name in Settings.model_fields)
    for name in environment:
        first = name.upper().split("__")[0]
        if first.startswith(PREFIX) and first not in known:
            close = did_you_mean(first, known, cutoff=0.8)  # all have the prefix in common
            raise SettingsError(
                f"Unknown setting {name}.",
                advice=f"{close} Known settings: {', '.join(known)}.".lstrip(),
            )
    try:
        return Settings()
    except UnreadableSetting as error:  # it names the field, and shows no value
        raise SettingsError(
            f"A {PREFIX}* setting cannot be read: {error}.",
            advice=f"Set {PREFIX}REGIONS__EU_CENTRAL_1__CATALOG_URL and the like one by one.",
        ) from None
    except ValidationError as error:
        _check_names(environment)  # a misspelled region lacks its other settings too
        raise _invalid(error.errors(include_input=False, include_url=False)[0]) from None


def _check_names(environment: Mapping[str, str]) -> None:
    """Refuse names of regions and backends that the topology does not have, if it can be read."""
    given = environment.get(f"{PREFIX}TOPOLOGY")
    try:
        topology = load_topology(Path(given) if given else None)
    except TopologyProblem:
        return
    backends = [spec.name for region in topology.regions.values() for spec in region.backends]
    for what, known in (("region", list(topology.regions)), ("backend", backends)):
        start = f"{PREFIX}{what.upper()}S__"
        names = [name.upper() for name in environment if name.upper().startswith(start)]
        named = (name.removeprefix(start).split("__")[0] for name in names)
        _check_known(what, (name.lower().replace("_", "-") for name in named), known)


def _invalid(problem: ErrorDetails) -> SettingsError:
    """Return the error for a value that is missing, malformed or unknown."""
    *group, last = (str(part) for part in problem["loc"])
    name = PREFIX + "__".join((*group, last)).upper().replace("-", "_")
    if problem["type"] != "extra_forbidden":
        return SettingsError(f"{name}: {problem['msg'].removeprefix('Value error, ')}.")
    part = _part_of(group)
    known = [field.upper() for field in part.model_fields]
    return SettingsError(
        f"Unknown setting {name}.",
        advice=f"{did_you_mean(last, known)} Known parts: {', '.join(known)}.".lstrip(),
    )


def _part_of(group: Sequence[str]) -> type[BaseModel]:
    """Return the model that lacks a field, by the names that lead to it."""
    if group[-1:] == ["kms"]:
        return KmsKey
    if group[:1] == ["keyservice"]:
        return KeyServiceSettings
    if group[:1] == ["service"]:
        return ServiceSettings
    return S3Credentials if group[:1] == ["backends"] else RegionSettings


def make_home(home: Path) -> None:
    """Create the home directory unless it exists. Raises SettingsError."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"DOMICILE_HOME {home} cannot be made a directory: {error.strerror}.",
            advice="Set it to a directory that the user who runs Domicile may create and write.",
        ) from error


def topology_of(settings: Settings) -> Topology:
    """Load the topology of the settings, or the example. Raises TopologyError or SettingsError."""
    if settings.topology is not None and not settings.topology.is_dir():
        raise SettingsError(
            f"{PREFIX}TOPOLOGY {settings.topology.absolute()} is not a directory.",
            advice="Set it to a directory of TOML files, or unset it for the shipped example.",
        )
    try:
        return load_topology(settings.topology)
    except TopologyProblem as problem:
        advice = problem.advice
        raise TopologyError(problem.file, problem.key, problem.reason, advice=advice) from problem


def revisions_of(settings: Settings) -> Path | None:
    """Return the directory of the revisions that declare the regions of the topology, if any do."""
    found = settings.topology / "versions" if settings.topology is not None else None
    return found if found is not None and found.is_dir() else None


@contextmanager
def region_settings(
    settings: Settings, topology: Topology, *, create: bool = False
) -> Iterator[dict[str, RegionSettings]]:
    """Yield the settings of each region that this process serves. Raises SettingsError.

    Only ``create`` makes an embedded server that does not exist.
    """
    kinds = {b.name: b.kind for region in topology.regions.values() for b in region.backends}
    _check_known("region", settings.regions, topology.regions)
    _check_known("backend", settings.backends, kinds)
    for name in settings.backends:
        if kinds[name] != "s3":
            raise SettingsError(
                f"The settings have credentials for {name}: a {kinds[name]} backend takes none.",
                advice=f"Remove {PREFIX}BACKENDS__{name.upper().replace('-', '_')}__*.",
            )
    if not settings.embedded:
        if settings.login is not None:
            raise SettingsError(
                "DOMICILE_LOGIN is for an embedded Domicile.",
                advice="Unset it: catalog_url of each region names the login.",
            )
        yield dict(settings.regions)
        return
    if not create and not (settings.home / "keys").exists():
        raise SettingsError(
            f"DOMICILE_HOME {settings.home} has nothing yet.", advice="Run: domicile init"
        )
    if create and settings.login is not None:
        raise SettingsError(
            "init works with the login of the owner.", advice="Unset DOMICILE_LOGIN."
        )
    url, leave = embedded.start(settings.home / "postgres")
    if settings.login is not None:
        url = embedded.with_login(url, settings.login)
    try:
        yield {
            name: RegionSettings.model_validate(
                {
                    "catalog_url": embedded.with_database(url, name),
                    "keys_file": settings.home / "keys" / f"{name}.toml",
                    "approvers_file": _if_file(settings.home / "keys" / "approvers.toml"),
                }
            )
            for name in topology.regions
        }
    finally:
        leave()


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _check_known(what: str, named: Iterable[str], known: Collection[str]) -> None:
    """Refuse an unknown name: the region or backend that it stands for would miss its settings."""
    for name in sorted(set(named) - set(known)):
        raise SettingsError(
            f"The settings name a {what} that the topology does not have: {name}.",
            advice=f"{did_you_mean(name, known)} The topology has: {', '.join(known)}.".lstrip(),
        )
