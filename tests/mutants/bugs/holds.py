"""Bugs in legal holds."""

from tests.mutants.bugs.bug import HOLD_RACES, HOLDS, PREDICATE, bug

BUGS = (
    bug(
        "expiry ignores what is held",
        "catalog/days.py",
        "            ~hold_predicate.in_held_pack(o.id, day),\n",
        "",
        HOLDS,
        HOLD_RACES,
    ),
    bug(
        "an erasure is planned while a hold is placed",
        "workers/erase.py",
        "    holds.share(connection)\n",
        "",
        HOLD_RACES,
    ),
    bug(
        "a hold of one class keeps all",
        "catalog/hold_predicate.py",
        "        or_(h.classes.is_(None), c.data_class == any_(h.classes)),\n",
        "",
        PREDICATE,
        HOLDS,
    ),
    bug(
        "a hold keeps what came after it",
        "catalog/hold_predicate.py",
        "        or_(h.cutoff.is_(None), c.minted <= h.cutoff),\n",
        "",
        PREDICATE,
    ),
    bug(
        "a release resumes no erasure",
        "workers/release.py",
        "    resumed = deferrals.resume(connection, hold.tenant, until, now, ROWS)\n",
        "    resumed: list[object] = []\n",
        HOLDS,
    ),
)
