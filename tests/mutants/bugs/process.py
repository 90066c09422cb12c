"""Bugs at the edges of a process: what it is given, where it writes, and what it shares."""

from tests.mutants.bugs.bug import bug

BUGS = (
    bug(
        "a link below the root is followed",
        "backends/root.py",
        "_BELOW = _DIRECTORY | os.O_NOFOLLOW\n",
        "_BELOW = _DIRECTORY\n",
        "tests/unit/test_directory_backend.py",
    ),
    bug(
        "what is behind a link is absent",
        "backends/root.py",
        "            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None\n",
        "            raise\n",
        "tests/unit/test_directory_backend.py",
    ),
    bug(
        "a prefix behind a link is empty",
        "backends/directory.py",
        "            with suppress(*ABSENT), folder(split(prefix)[0], root):\n"
        "                pass  # a link in the way would hide what is below the prefix\n",
        "",
        "tests/unit/test_directory_backend.py",
    ),
    bug(
        "a name may be as long as the memory",
        "client/validate.py",
        '    if len(text) > LONGEST_NAME or len(text.encode(errors="replace")) > LONGEST_NAME:\n',
        "    if len(text) > LONGEST_NAME:\n",
        "tests/integration/test_name_lengths.py",
    ),
    bug(
        "a time without a year in UTC is an error of Python",
        "model/ids.py",
        '        raise ValueError("no year from 1 to 9999 in UTC") from None\n',
        "        raise\n",
        "tests/unit/test_fuzz.py",
    ),
    bug(
        "an id in a manifest is an error of the request",
        "packs/manifest.py",
        "    except (ValidationError, InvalidRequest):",
        "    except ValidationError:",
        "tests/unit/test_fuzz.py",
    ),
    bug(
        "a listing may declare entities in UTF-16",
        "backends/s3/responses.py",
        ' or b"\\0" in body:\n',
        ":\n",
        "tests/unit/test_fuzz.py",
    ),
    bug(
        "a fork uses the connections of its parent",
        "catalog/engine.py",
        "    if os.getpid() != process:\n",
        "    if False:\n",
        "tests/integration/test_fork.py",
    ),
    bug(
        "a fork ends the connections of its parent",
        "catalog/engine.py",
        "        here = os.getpid() == self._process\n",
        "        here = True\n",
        "tests/integration/test_fork.py",
    ),
    bug(
        "a record is queued for threads that do not start",
        "packs/queue.py",
        "                self._flushers.submit(self._drain)  # may raise Busy\n"
        "                self._lanes[record.lane] = lane\n",
        "                self._lanes[record.lane] = lane\n"
        "                self._flushers.submit(self._drain)\n",
        "tests/integration/test_fork.py",
    ),
    bug(
        "a child waits for the threads of its parent",
        "packs/sealed.py",
        "        check_process(self._process)\n        return super().result(timeout)\n",
        "        return super().result(timeout)\n",
        "tests/integration/test_fork.py",
    ),
    bug(
        "closing waits for a backend that hangs",
        "packs/queue.py",
        "timeout=max(0.0, until - monotonic())",
        "timeout=None",
        "tests/faults/test_closing.py",
    ),
    bug(
        "a write that was on its way counts as not stored",
        "packs/queue.py",
        'OutcomeUnknown(str(record.id), "The store was closed during the write.")',
        "Abandoned()",
        "tests/faults/test_closing.py",
    ),
    bug(
        "a thread that hangs keeps the process",
        "pool.py",
        "daemon=True",
        "daemon=False",
        "tests/unit/test_pool.py",
    ),
    bug(
        "a read waits for a disk that hangs",
        "objects/transfer.py",
        "        return reading.result(patience)\n",
        "        return reading.result()\n",
        "tests/integration/test_slow_replicas.py",
    ),
    bug(
        "a disk that hangs is asked first",
        "objects/transfer.py",
        "        backend.track(reading)\n        raise",
        "        raise",
        "tests/integration/test_slow_replicas.py",
    ),
    bug(
        "a call that hangs gives no answer",
        "pool.py",
        "        for future, begun in left.items():\n",
        "        for future, begun in {}.items():\n",
        "tests/unit/test_pool.py",
    ),
    bug(
        "a second store of a process is no use of the server",
        "embedded.py",
        "            last = _uses[process, directory] <= 0\n",
        "            last = True\n",
        "tests/integration/test_embedded.py",
    ),
    bug(
        "two commands create a home at once",
        "embedded.py",
        "        fcntl.flock(handle, fcntl.LOCK_EX)\n",
        "",
        "tests/integration/test_embedded.py",
    ),
    bug(
        "a command that reads creates a server",
        "settings.py",
        '    if not create and not (settings.home / "keys").exists():\n',
        "    if False:\n",
        "tests/integration/test_embedded.py",
    ),
)
