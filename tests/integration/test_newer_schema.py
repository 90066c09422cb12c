"""Old code on a newer schema: deployments roll."""

import pytest
from sqlalchemy import text

from storage.catalog.tables import metadata
from storage.errors import Erased
from storage.model import DataClass, ErasureState, NewRecord, Purpose, PutFailure, Reason, Scope
from storage.testing import Domicile
from tests.support.catalogs.databases import catalog_of

pytestmark = pytest.mark.one_region


def test_old_code_works_on_a_newer_schema(domicile: Domicile) -> None:
    """A "pre" revision may add a column to every table: reads, writes and duties go on."""
    tables = [table.name for table in metadata.sorted_tables]
    with catalog_of(domicile.settings) as connection:
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN later text"))
    try:
        lead_a_life(domicile)
    finally:
        domicile.stack.close()
        with catalog_of(domicile.settings) as connection:
            for table in tables:
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN later"))


def lead_a_life(domicile: Domicile) -> None:
    """Put, get, list, erase, compact, and make a partition."""
    t = domicile.tenant()
    ids = [t.new_id(DataClass.PROMPT) for _ in range(4)]
    bulk = [NewRecord(DataClass.PROMPT, b"x", i, f"u{n % 2}") for n, i in enumerate(ids)]
    assert not [result for result in t.put_many(bulk) if isinstance(result, PutFailure)]
    file = t.put_file([b"a file"], subject="u1").id
    erasure = t.erase(Scope.subject("u1"), reason=Reason.SUBJECT_REQUEST)
    with pytest.raises(Erased):
        t.get(ids[1], purpose=Purpose.SERVE)
    domicile.run_worker()
    domicile.pass_time(hours=73)
    made = domicile.run_worker()
    assert made["compact"] == 1

    assert domicile.store.erasure(erasure.id).state is ErasureState.COMPLETE
    assert t.get(ids[0], purpose=Purpose.SERVE).body == b"x"
    assert len(t.list()) == 2
    assert file not in [record.id for record in t.list()]
