"""Words of texts for people: the article of a name, whatever is named."""

import pytest

from regions.model import DataClass
from regions.words import begun_with_article, with_article


@pytest.mark.parametrize(
    ("noun", "said"),
    [("prompt", "a prompt"), ("event", "an event"), ("use_case", "a use_case")],
)
def test_the_article_goes_with_the_sound(noun: str, said: str) -> None:
    """A class of events has another one than the others, and ``use`` begins with no vowel."""
    assert with_article(noun) == said
    assert begun_with_article(noun) == said.replace("a", "A", 1)


def test_every_class_has_an_article() -> None:
    """Also one that is added later: it begins with a letter."""
    found = {begun_with_article(name) for name in DataClass}
    assert found == {"A prompt", "A completion", "A fine_tuning_file", "An event", "A flag"}
