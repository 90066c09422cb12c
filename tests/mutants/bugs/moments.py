"""Bugs in records that say until when they can be read, and in metadata that is replaced."""

from tests.mutants.bugs.bug import Bug, bug

ENDS = "tests/integration/test_readable_until.py"
SCREENING = "tests/integration/test_screening.py"
REPLACED = "tests/integration/test_update_metadata.py"
WRITE = "packs/metadata.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a list shows what ended at its moment",
        "catalog/records.py",
        "*narrow.of(c), not_over(c, now)]",
        "*narrow.of(c)]",
        ENDS,
    ),
    bug(
        "a read goes by the day alone",
        "packs/openings.py",
        "term_now(region.topology, own, row.id, row.origin_date, row.readable_until)",
        "term_now(region.topology, own, row.id, row.origin_date)",
        ENDS,
    ),
    bug(
        "flags are kept of what ended at its moment meanwhile",
        "catalog/flags.py",
        "*not_ended(c, ended), not_over(c, now))",
        "*not_ended(c, ended))",
        SCREENING,
    ),
    bug(
        "COPY leaves out the moment",
        "catalog/copying.py",
        "_NULL if row.readable_until is None else _moment(row.readable_until)",
        "_NULL",
        ENDS,
    ),
    bug(
        "a moment is not checked",
        "packs/prepare.py",
        "        check_until(region.topology, record_id, new.readable_until, now)\n",
        "",
        ENDS,
    ),
    bug(
        "metadata is replaced whatever its version",
        WRITE,
        "    if row.metadata_version != version:\n",
        "    if False:\n",
        REPLACED,
    ),
    bug(
        "the version is not compared again with the row",
        WRITE,
        "    _check(known.row, version)\n    stored",
        "    stored",
        REPLACED,
    ),
    bug(
        "metadata of what was erased meanwhile is replaced",
        WRITE,
        "    if known.fenced:\n",
        "    if False:\n",
        REPLACED,
    ),
    bug(
        "metadata is replaced under a hold",
        WRITE,
        "    if held:\n        raise Refused(",
        "    if False:\n        raise Refused(",
        REPLACED,
    ),
    bug(
        "a hold that is placed meanwhile does not keep metadata",
        WRITE,
        "    holds.share(connection)\n",
        "",
        REPLACED,
    ),
    bug(
        "metadata is compared as Python does",
        WRITE,
        "    return metadata_text(found) == metadata_text(given)\n",
        "    return found == given\n",
        REPLACED,
    ),
    bug(
        "a repeated put with an end is taken for one without",
        "packs/outcomes.py",
        "    if (record.readable_until is None) != (row.readable_until is None):\n",
        "    if False:\n",
        ENDS,
    ),
    bug(
        "an explanation of today takes the beginning of the day",
        "client/explaining.py",
        "may_use(topology, usable, purpose, day, moment)",
        "may_use(topology, usable, purpose, day)",
        ENDS,
    ),
    bug(
        "an event is changed",
        WRITE,
        "    if record_id.data_class is DataClass.EVENT:\n",
        "    if False:\n",
        REPLACED,
    ),
    bug(
        "the same update again is a conflict",
        WRITE,
        "version + 1 and _same(metadata_of(opened), metadata):",
        "version + 1 and False:",
        REPLACED,
    ),
    bug(
        "an older version of metadata opens as a newer one",
        "crypto/record.py",
        "    return aad + version.to_bytes(4)\n",
        "    return aad\n",
        REPLACED,
    ),
)
