"""Bugs that let one region take another along."""

from tests.mutants.bugs.bug import bug

APART = "tests/integration/test_regions_apart.py"

BUGS = (
    bug(
        "a process starts only if every region opens",
        "client/homes.py",
        "                if name in require:\n",
        "                if True:\n",
        APART,
    ),
    bug(
        "a process starts without a region that it requires",
        "client/homes.py",
        "                if name in require:\n",
        "                if False:\n",
        APART,
    ),
    bug(
        "a process starts without any region",
        "client/homes.py",
        "        if failed and not self.regions:\n",
        "        if False:\n",
        APART,
    ),
    bug(
        "an unexpected error of an opening ends the process",
        "bootstrap.py",
        "            raise Unavailable(\n",
        "            raise RuntimeError(\n",
        APART,
    ),
    bug(
        "recovering one region opens all",
        "bootstrap.py",
        "for name in openings if only in (None, name)]",
        "for name in openings]",
        APART,
    ),
    bug(
        "a region that did not open is tried at every use",
        "client/regions.py",
        "self._clock() < failed.again",
        "False",
        APART,
    ),
    bug(
        "a region that did not open is never tried again",
        "client/regions.py",
        "self._clock() < failed.again",
        "True",
        APART,
    ),
    bug(
        "all who use a region wait until one has tried to open it",
        "client/regions.py",
        "name in self._trying or ",
        "",
        APART,
    ),
    bug(
        "a region opens while the store is closed",
        "client/regions.py",
        "                if self._closed:\n",
        "                if False:\n",
        APART,
    ),
    bug(
        "a region that did not open hides the tenants of the next",
        "client/homes.py",
        "            except REGIONAL as error:\n",
        "            except () as error:\n",
        APART,
    ),
    bug(
        "a known tenant waits for another region",
        "client/homes.py",
        "(name != likely, name not in opened)",
        "name not in opened",
        APART,
    ),
    bug(
        "an erasure of an account stops at a region that did not open",
        "client/store.py",
        "            except REGIONAL:\n                silent.add(name)",
        "            except ():\n                silent.add(name)",
        APART,
    ),
    bug(
        "a status leaves out a region that did not open",
        "client/store.py",
        "self._homes.names, lambda name: region_status",
        "self._homes.regions, lambda name: region_status",
        APART,
    ),
    bug(
        "a status of no region is an empty one",
        "client/homes.py",
        "        if not found:\n            raise first\n    return found, failed\n",
        "        del first\n    return found, failed\n",
        "tests/integration/test_status.py",
    ),
    bug(
        "an unexpected error of a duty ends the worker",
        "workers/loop.py",
        "        except Exception as error:  # noqa: BLE001 - the other duties go on\n",
        "        except DomicileError as error:\n",
        APART,
    ),
    bug(
        "a region that did not open ends the round of a worker",
        "workers/loop.py",
        "            except Exception as error:  # noqa: BLE001 - the other regions go on\n",
        "            except () as error:\n",
        APART,
    ),
    bug(
        "a failing duty is in the log without its backend",
        "workers/loop.py",
        "        if isinstance(error, BackendError):\n",
        "        if False:\n",
        APART,
    ),
    bug(
        "a command ends with 0 though a region failed",
        "cli/error_handling.py",
        "        raise typer.Exit(_code_of(first))",
        "        return",
        APART,
    ),
)
