"""Bugs in what is shown of records without opening them, and in how several are read."""

from tests.mutants.bugs.bug import Bug, bug

LISTINGS = "tests/integration/test_listings.py"
MANY = "tests/integration/test_get_many.py"
SCREENING = "tests/integration/test_screening.py"
FILES = "tests/integration/test_open_file.py"
CLIENT, CATALOG, OPEN = "client/listings.py", "catalog/records.py", "client/files.py"
MANY_PY = "packs/many.py"
LISTED, EXPORT_PY = "client/listed.py", "client/export.py"
EXPORT = "tests/integration/test_export.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a full page is taken for the last one",
        CLIENT,
        "now=now, limit=limit + 1, newest=newest\n",
        "now=now, limit=limit, newest=newest\n",
        LISTINGS,
    ),
    bug(
        "a page has one row too many",
        CLIENT,
        "            shown = rows[:limit]\n",
        "            shown = rows\n",
        LISTINGS,
    ),
    bug(
        "the newest first are the oldest of both tables",
        CATALOG,
        "reverse=newest)",
        "reverse=False)",
        LISTINGS,
    ),
    bug(
        "a list from the end begins at the beginning",
        CATALOG,
        "*((c.minted.desc(), c.uid.desc()) if newest else (c.minted, c.uid))",
        "c.minted, c.uid",
        LISTINGS,
    ),
    bug(
        "the next page from the end goes back",
        CATALOG,
        "order < last if newest else order > last",
        "order > last",
        LISTINGS,
    ),
    bug(
        "a record of the last moment is of the time before it",
        CATALOG,
        "            where.append(c.minted < last)\n",
        "            where.append(c.minted <= last)\n",
        LISTINGS,
    ),
    bug(
        "a record of the first moment is not of the time after it",
        CATALOG,
        "            where.append(c.minted >= first)\n",
        "            where.append(c.minted > first)\n",
        LISTINGS,
    ),
    bug(
        "a count of just as many says that there are more",
        CLIENT,
        "stopped=found > most)",
        "stopped=found >= most)",
        LISTINGS,
    ),
    bug(
        "the head of an erased record is shown",
        "packs/openings.py",
        "    if found.fenced:\n        raise Erased\n",
        "",
        LISTINGS,
    ),
    bug(
        "the head of an expired record is shown",
        "packs/openings.py",
        "    if term.readable_until is not None and region.clock.now() >= term.readable_until:\n"
        "        raise Expired\n",
        "",
        LISTINGS,
    ),
    bug(
        "one of many records that fails ends the reading",
        MANY_PY,
        "            except DomicileError as error:\n                refused[record_id] = error\n",
        "            except DomicileError:\n                raise\n",
        MANY,
    ),
    bug(
        "many records are read without a decision",
        MANY_PY,
        "fenced=one.fenced)",
        "fenced=False)",
        MANY,
    ),
    bug(
        "one of many ids finds a record of another class or day",
        MANY_PY,
        "if one is None or _place(one.row.id) != _place(record_id):",
        "if one is None:",
        MANY,
    ),
    bug(
        "many records fill more than an answer",
        MANY_PY,
        "        if total > MOST_BYTES and total > one.row.size:\n",
        "        if False:\n",
        MANY,
    ),
    bug(
        "a single record that is larger than an answer is never read",
        MANY_PY,
        "        if total > MOST_BYTES and total > one.row.size:\n",
        "        if total > MOST_BYTES:\n",
        MANY,
    ),
    bug(
        "one of many that cannot be read together is not read alone",
        MANY_PY,
        "            elif record_id not in looked.refused:\n",
        "            elif record_id not in looked.refused and one is None:\n",
        MANY,
    ),
    bug(
        "what ended while others were read is given",
        MANY_PY,
        "            if self.region.clock.now() >= end:\n",
        "            if False:\n",
        MANY,
    ),
    bug(
        "a reading of many has no end",
        MANY_PY,
        "        if monotonic() >= until:\n",
        "        if False:\n",
        MANY,
    ),
    bug(
        "an export ends at what is lost",
        EXPORT_PY,
        "        except _LOST as error:\n            line = _lost(info, error)\n",
        "        except _LOST:\n            raise\n",
        EXPORT,
    ),
    bug(
        "an export leaves out what may be back later",
        EXPORT_PY,
        "    if error.retryable:\n",
        "    if False:\n",
        EXPORT,
    ),
    bug(
        "a person reads many at once",
        "client/tenant.py",
        "        if purpose is not Purpose.SERVE or self.actor.staff:\n",
        "        if False:\n",
        MANY,
    ),
    bug(
        "a page is opened for a person, and for what is noted one by one",
        LISTED,
        "        if self.actor.staff or self.purpose in _ONE_BY_ONE:\n",
        "        if False:\n",
        LISTINGS,
    ),
    bug(
        "a page shows all of the metadata",
        LISTED,
        "replace(info, listed={key: known[key] for key in rule.listed if key in known})",
        "replace(info, listed=known)",
        LISTINGS,
    ),
    bug(
        "a page is opened for screening by a service",
        LISTED,
        "        if self.purpose is Purpose.ABUSE_SCREENING:\n",
        "        if False:\n",
        SCREENING,
    ),
    bug(
        "half of a file that is erased meanwhile is exported as a whole",
        EXPORT_PY,
        "            content.write(chunk)\n            yield\n",
        "            content.write(chunk)\n            yield\n            break\n",
        EXPORT,
    ),
    bug(
        "an export ends after its first page",
        EXPORT_PY,
        "        if not page.has_more:\n",
        "        if True:\n",
        EXPORT,
    ),
    bug(
        "an export fails for what is erased before its turn",
        EXPORT_PY,
        "    except _GONE:\n        return\n",
        "    except _GONE:\n        raise\n",
        EXPORT,
    ),
    bug(
        "an export is made for any purpose",
        EXPORT_PY,
        "    if purpose not in _PURPOSES:\n",
        "    if False:\n",
        EXPORT,
    ),
    bug(
        "an export leaves out the files",
        EXPORT_PY,
        "        for info in _each(pages, _FILE):\n",
        "        for info in ():\n",
        EXPORT,
    ),
    bug(
        "a read that fails leaves out what it had read when it is repeated",
        OPEN,
        "            self._position = position\n            raise\n",
        "            raise\n",
        FILES,
    ),
    bug(
        "a line of an open record leaves out what comes after it",
        OPEN,
        "            self._position -= len(body) - len(part)\n",
        "",
        FILES,
    ),
    bug(
        "an open record that was closed is read",
        OPEN,
        "        if self.closed:\n",
        "        if False:\n",
        FILES,
    ),
    bug(
        "an open record begins before its beginning",
        OPEN,
        "        if position < 0:\n",
        "        if False:\n",
        FILES,
    ),
)
