"""Uploads at once: a tenant leaves room for others, and nobody waits without an end."""

from contextlib import ExitStack

import pytest

from storage.service.answers import ApiError
from storage.service.room import OF_A_TENANT, UPLOADS, Room


def test_a_tenant_has_so_many_places() -> None:
    """One more is told to come again; another tenant has its own."""
    room = Room()
    with ExitStack() as taken:
        for _ in range(OF_A_TENANT):
            taken.enter_context(room.taken_by("a"))
        with pytest.raises(ApiError) as caught, room.taken_by("a"):
            pass
        with room.taken_by("b"):
            pass
    assert (caught.value.status, caught.value.code) == (503, "busy")
    with room.taken_by("a"):
        pass


def test_all_together_have_so_many() -> None:
    """A place is given back also after an error."""
    room = Room()
    with ExitStack() as taken:
        for n in range(UPLOADS):
            taken.enter_context(room.taken_by(f"t-{n}"))
        with pytest.raises(ApiError), room.taken_by("another"):
            pass
    with pytest.raises(ZeroDivisionError), room.taken_by("a"):
        raise ZeroDivisionError
    with ExitStack() as taken:
        for n in range(UPLOADS):
            taken.enter_context(room.taken_by(f"t-{n}"))
