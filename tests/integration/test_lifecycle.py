"""The life of records through the whole store: put, get, erase, expire."""

import os
import shutil
from io import BytesIO
from pathlib import Path

import pytest

import regions
from storage.errors import Erased, Expired, NotFound
from storage.model import DataClass, ErasureState, NewRecord, Purpose, Reason, Scope
from storage.testing import Domicile
from tests.support.actions import work
from tests.support.inspect.stored import OF_THE_LOG


def test_what_is_put_is_got(domicile: Domicile) -> None:
    """Body and metadata come back as they were given."""
    t = domicile.tenant()
    put = t.put(DataClass.PROMPT, b"hello", subject="u", group="g", metadata={"model": "m-1"})

    record = t.get(put.id, purpose=Purpose.SERVE)

    assert (record.body, record.metadata) == (b"hello", {"model": "m-1"})


def test_a_file_of_several_chunks_is_read_in_ranges(domicile: Domicile) -> None:
    """Any range of a streamed file has the bytes that were written."""
    t = domicile.tenant()
    body = os.urandom(3 * 1024 * 1024 + 5)
    put = t.put_file(BytesIO(body), filename="train.jsonl")

    with t.open(put.id, purpose=Purpose.SERVE) as file:
        ranges = [file.read_range(a, b) for a, b in ((0, 1), (1048570, 1048590), (0, 9**9))]

    assert ranges == [body[0:1], body[1048570:1048590], body]
    assert file.metadata == {"filename": "train.jsonl"}


def test_an_erased_subject_is_gone_at_once_and_its_bytes_later(domicile: Domicile) -> None:
    """Reads are refused once erase returns. When there is a receipt, no byte is left."""
    t = domicile.tenant()
    prompt = t.put(DataClass.PROMPT, b"mine", subject="user-7").id
    answer = t.put(DataClass.COMPLETION, b"yours", derived_from=[prompt]).id
    other = t.put(DataClass.PROMPT, b"other", subject="user-8").id

    erasure = t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST)
    for gone in (prompt, answer):
        with pytest.raises(Erased):
            t.get(gone, purpose=Purpose.SERVE)
    domicile.run_worker()
    domicile.pass_time(hours=73)
    domicile.run_worker()
    done = domicile.store.erasure(erasure.id)

    assert (done.state, done.deleted, done.outstanding) == (ErasureState.COMPLETE, 2, ())
    assert done.receipt is not None
    assert t.get(other, purpose=Purpose.SERVE).body == b"other"
    with pytest.raises(NotFound):
        t.get(prompt, purpose=Purpose.SERVE)


def test_what_derives_from_an_erased_record_is_gone_with_it(domicile: Domicile) -> None:
    """At once, through all generations. Its parents stay."""
    t = domicile.tenant()
    asked = t.put(DataClass.PROMPT, b"asked").id
    prompt = t.put(DataClass.PROMPT, b"mine", derived_from=[asked]).id
    answer = t.put(DataClass.COMPLETION, b"yours", derived_from=[prompt]).id
    later = t.put(DataClass.PROMPT, b"and then", derived_from=[answer]).id

    t.erase(Scope.record(prompt), reason=Reason.SUBJECT_REQUEST)

    for gone in (prompt, answer, later):
        with pytest.raises(Erased):
            t.get(gone, purpose=Purpose.SERVE)
    assert [info.id for info in t.list()] == [asked]


def test_an_erasure_goes_from_parent_to_child_and_not_back(
    domicile: Domicile, tmp_path: Path
) -> None:
    """The topology names the classes: here a completion goes with its prompt, not vice versa."""
    data = tmp_path / "topology"
    shutil.copytree(Path(regions.__file__).parent / "data", data)
    classes = data / "classes.toml"
    text, back = classes.read_text(), 'parent = "completion"\nchild = "prompt"\n'
    assert back in text
    classes.write_text(text.replace(f'[[cascades]]\n{back}cause = "erasure"\n', ""))
    domicile.settings = domicile.settings.model_copy(update={"topology": data})
    domicile.open()
    t = domicile.tenant()
    prompt = t.put(DataClass.PROMPT, b"?").id
    answer = t.put(DataClass.COMPLETION, b"!", derived_from=[prompt]).id
    next_prompt = t.put(DataClass.PROMPT, b"??", derived_from=[answer]).id

    t.erase(Scope.record(answer), reason=Reason.SUBJECT_REQUEST)
    assert t.get(next_prompt, purpose=Purpose.SERVE).body == b"??"
    second = t.put(DataClass.COMPLETION, b"!!", derived_from=[prompt]).id
    t.erase(Scope.record(prompt), reason=Reason.SUBJECT_REQUEST)
    with pytest.raises(Erased):
        t.get(second, purpose=Purpose.SERVE)


def test_a_record_whose_row_is_deleted_is_still_called_erased(domicile: Domicile) -> None:
    """Of an id that was never stored, the store says that it is not found."""
    t = domicile.tenant()
    mine, never = t.put(DataClass.PROMPT, b"mine").id, t.new_id(DataClass.PROMPT)
    t.erase(Scope.record(mine), reason=Reason.SUBJECT_REQUEST)
    work(domicile)

    with pytest.raises(Erased):
        t.get(mine, purpose=Purpose.SERVE)
    with pytest.raises(NotFound):
        t.get(never, purpose=Purpose.SERVE)


def test_new_data_of_an_erased_subject_is_stored(domicile: Domicile) -> None:
    """An erasure covers the past alone."""
    t = domicile.tenant()
    stale = t.new_id(DataClass.PROMPT)
    t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST)

    fresh = t.put(DataClass.PROMPT, b"again", subject="user-7")

    assert t.get(fresh.id, purpose=Purpose.SERVE).body == b"again"
    with pytest.raises(Erased):
        t.put(DataClass.PROMPT, b"old", id=stale, subject="user-7")


def test_an_erasure_that_is_complete_still_refuses_what_was_minted_before_it(
    domicile: Domicile,
) -> None:
    """Its fence stands as long as such an id may be written, also after the receipt."""
    t = domicile.tenant()
    stale = t.new_id(DataClass.PROMPT)
    erasure = t.erase(Scope.subject("user-7"), reason=Reason.SUBJECT_REQUEST)
    for _ in range(2):
        domicile.run_worker()
        domicile.pass_time(hours=11)

    assert domicile.store.erasure(erasure.id).receipt is not None
    with pytest.raises(Erased):
        t.put(DataClass.PROMPT, b"old", id=stale, subject="user-7")


def test_thirty_days_later_nothing_is_left(domicile: Domicile) -> None:
    """A prompt expires and is gone from every backend, with its day. A file stays."""
    t = domicile.tenant()
    prompt = t.put(DataClass.PROMPT, b"short-lived").id
    file = t.put_file(BytesIO(b"kept")).id
    domicile.pass_time(days=29)
    with pytest.raises(Expired):
        t.get(prompt, purpose=Purpose.SERVE)

    domicile.run_worker()
    domicile.run_worker()
    domicile.pass_time(hours=1)
    domicile.run_worker()

    left = {
        trace.key.split("/")[0]
        for backend in domicile.backends.values()
        for trace in backend.scan()
        if not trace.key.startswith(OF_THE_LOG)
    }
    assert left == {"pack", "file_key"}
    assert len([b for b in domicile.backends.values() for _ in b.scan("pack/")]) == 2
    assert t.get(file, purpose=Purpose.SERVE).body == b"kept"
    with pytest.raises(NotFound):
        t.get(prompt, purpose=Purpose.SERVE)


def test_a_backend_that_was_down_gets_its_replicas(domicile: Domicile) -> None:
    """A write succeeds with one of two backends. The other gets the replica and can serve alone."""
    t = domicile.tenant()
    domicile.take_down("eu-a")
    put = t.put(DataClass.PROMPT, b"hello")
    domicile.bring_back("eu-a")
    domicile.pass_time(hours=1)
    domicile.run_worker()
    domicile.take_down("eu-b")

    assert t.get(put.id, purpose=Purpose.SERVE).body == b"hello"


def test_many_in_order(domicile: Domicile) -> None:
    """put_many returns one result per record, in order, also where one derives from another."""
    t = domicile.tenant()
    records: list[NewRecord] = []
    for n in range(200):
        asked, answered = t.new_id(DataClass.PROMPT), t.new_id(DataClass.COMPLETION)
        prompt = NewRecord(DataClass.PROMPT, b"p%d" % n, asked, f"u{n}")
        answer = NewRecord(DataClass.COMPLETION, b"c%d" % n, answered, derived_from=(asked,))
        records += [prompt, answer]

    results = list(t.put_many(records))

    assert [r.id for r in results] == [r.id for r in records]
    assert len(t.list(subject="u7")) == 2
