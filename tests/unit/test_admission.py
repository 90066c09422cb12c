"""Which tenants are admitted: their ids, and their retention."""

import pytest

from regions.model import DataClass
from storage.errors import InvalidRequest, UnknownClass
from storage.policy import admit
from tests.unit.test_placement import SHIPPED, tenant


@pytest.mark.parametrize(
    "bad", ["", "-a", ".a", "a b", "a" * 65, "a\n", "ä", "a/b", "user@example.org"]
)
def test_a_malformed_id_is_refused_and_not_repeated(bad: str) -> None:
    """An invalid id may be personal data, such as an address, so the message omits it."""
    for what, customer in (("tenant", tenant(name=bad)), ("account", tenant(account=bad))):
        with pytest.raises(InvalidRequest, match=f"Invalid {what} id") as caught:
            admit(SHIPPED, customer)

        assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize("good", ["a", "A.b_c-9", "0", "a" * 64])
def test_a_well_formed_tenant_is_admitted(good: str) -> None:
    """Ids have 1 to 64 characters of a small alphabet."""
    admit(SHIPPED, tenant(name=good, account=good))


@pytest.mark.parametrize(
    ("data_class", "days", "refusal"),
    [
        (DataClass.PROMPT, 30, None),
        (DataClass.PROMPT, 2, None),
        (DataClass.PROMPT, 0, None),
        (DataClass.PROMPT, 31, "out of range"),
        (DataClass.PROMPT, 1, "leaves no time"),
        (DataClass.PROMPT, -1, "out of range"),
        (DataClass.FINE_TUNING_FILE, 365, None),
        (DataClass.FINE_TUNING_FILE, 10**9, "out of range"),
    ],
)
def test_a_tenant_may_shorten_retention_and_never_lengthen_it(
    data_class: DataClass, days: int, refusal: str | None
) -> None:
    """Zero is allowed. A retention above the ceiling, or too short to read, is refused."""
    customer = tenant(retention={data_class: days})

    if refusal is None:
        admit(SHIPPED, customer)
    else:
        with pytest.raises(InvalidRequest, match=refusal):
            admit(SHIPPED, customer)


def test_a_retention_for_an_unknown_class_is_refused() -> None:
    """A setting without effect is a mistake."""
    prompts = {DataClass.PROMPT: SHIPPED.classes[DataClass.PROMPT]}
    topology = SHIPPED.model_copy(update={"classes": prompts})

    with pytest.raises(UnknownClass):
        admit(topology, tenant(retention={DataClass.COMPLETION: 5}))
