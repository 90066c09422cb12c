"""Errors that keep a process from starting."""

from storage.errors.base import DOCUMENTATION, DomicileError


class ConfigurationError(DomicileError):
    """The configuration is not valid."""

    usual_advice = "See: domicile doctor"


class TopologyError(ConfigurationError):
    """The topology is not valid, or a backend is not where its region must be."""

    usual_advice = f"Correct the file at that key. See {DOCUMENTATION}howto/add-a-region/"

    def __init__(self, file: str, key: str, reason: str, *, advice: str = "") -> None:
        """``key`` is the dotted key in the file (empty: the whole file)."""
        if not key:
            advice = advice or f"Correct that file. See {DOCUMENTATION}howto/add-a-region/"
        super().__init__(": ".join(part for part in (file, key, reason) if part), advice=advice)
        self.file, self.key, self.reason = file, key, reason


class SettingsError(ConfigurationError):
    """A setting is missing or not valid."""

    usual_advice = f"See {DOCUMENTATION}settings/ and: domicile doctor"


class CatalogUnsafe(ConfigurationError):
    """The database may lose transactions that it acknowledged."""

    usual_advice = "Set fsync and synchronous_commit to on. See: domicile doctor"


class CatalogUnsupported(ConfigurationError):
    """The revision of the catalog does not fit this version of Domicile."""

    usual_advice = "Run: domicile init"


class BackendUndeclared(ConfigurationError):
    """The topology lacks a backend that has replicas, or was never seen empty."""

    usual_advice = (
        "Put the backend back into the topology. "
        f"To empty it first, see {DOCUMENTATION}howto/retire-a-backend/"
    )


class BackendReassigned(ConfigurationError):
    """The topology gives a backend to another company than the catalog has seen."""

    usual_advice = (
        "Set its sub_processor back, and declare a new backend with a new name. "
        f"See {DOCUMENTATION}howto/retire-a-backend/"
    )


class BackendShared(ConfigurationError):
    """A backend that the topology dedicates to tenants has data of others."""

    usual_advice = (
        "Dedicate a new backend. To empty this one, take dedicated_to out, let it retire, and see "
        f"{DOCUMENTATION}howto/retire-a-backend/"
    )


class RegionNotRoutable(ConfigurationError):
    """The region is declared, and not ready for use, or it is retired."""

    usual_advice = "Run: domicile region provision"


class SubProcessorUnannounced(ConfigurationError):
    """A sub-processor would begin before its notice is over, or its past dates were changed."""

    usual_advice = (
        "Correct its dates in sub_processors.toml. "
        f"See {DOCUMENTATION}howto/announce-a-sub-processor/"
    )


class EpochBackdated(ConfigurationError):
    """An epoch that has begun would be added, changed or taken away."""

    usual_advice = (
        "Set epochs.toml back, and let the new epoch begin later. "
        f"See {DOCUMENTATION}howto/change-the-terms/"
    )


class CatalogForbidden(ConfigurationError):
    """The database role lacks a privilege that the operation needs."""

    usual_advice = "Grant the role, or use another login. See: domicile doctor"


class CatalogRestored(ConfigurationError):
    """The catalog was restored from a backup, and may lack erasures that came later."""

    usual_advice = "Run: domicile recover"
