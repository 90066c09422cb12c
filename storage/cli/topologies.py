"""Topologies that a command is given as directories."""

from pathlib import Path

from regions.load import TopologyProblem, load_topology
from regions.model import Topology
from storage.errors import InvalidRequest, TopologyError


def load_directory(directory: Path) -> Topology:
    """Return the topology of a directory. Raises InvalidRequest or TopologyError."""
    try:
        if not directory.is_dir():
            raise InvalidRequest(
                f"{directory} is not a directory.",
                advice="Name a directory of TOML files, as DOMICILE_TOPOLOGY does.",
            )
        return load_topology(directory)
    except OSError as error:
        raise InvalidRequest(
            f"{directory} cannot be read: {error.strerror}.",
            advice="Check the permissions of the directory and of its files.",
        ) from error
    except TopologyProblem as problem:
        advice = problem.advice
        raise TopologyError(problem.file, problem.key, problem.reason, advice=advice) from problem
