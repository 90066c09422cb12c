"""What logins with raw SQL can do about the log: add lines, under their own names."""

import pytest

from tests.support.people_sql import People, people

__all__ = ["people"]

ADD = (
    "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES "
    "(gen_random_uuid(), 'opening', now(), {text}, {salt}, {entry}) RETURNING login"
)
TEXT, SALT, ENTRY = "'{{}}'", "decode(repeat('00', 32), 'hex')", "decode(repeat('00', 33), 'hex')"


def add(text: str = TEXT, salt: str = SALT, entry: str = ENTRY) -> str:
    """Return the statement that adds a line."""
    return ADD.replace("{text}", text).replace("{salt}", salt).replace("{entry}", entry)


@pytest.mark.parametrize("login", ["sam", "wim", "alice"])
def test_a_line_has_the_login_that_added_it(people: People, login: str) -> None:
    """Whatever it says of an actor. No login gives another name."""
    assert people.do(login, add()) == login
    named = add().replace("commitment)", "commitment, login)").replace(")\n RETURNING", "")
    named = named.replace(" RETURNING login", "").replace(f"{ENTRY})", f"{ENTRY}, 'bob')")
    assert people.do(login, named) == "forbidden"


def test_what_is_no_line_is_refused(people: People) -> None:
    """A text that is no JSON object, a salt or an entry of another size: all would stop the log."""
    assert people.do("sam", add(text="'garbage'")) == "log_line_text"
    assert people.do("sam", add(text="'[]'")) == "log_line_text"
    assert people.do("sam", add(salt="'a'")) == "log_line_sizes"
    assert people.do("sam", add(entry="'a'")) == "log_line_sizes"
    root = "INSERT INTO log_checkpoint VALUES (7, 'a', 'x', now())"
    assert people.do("sam", root) == "log_checkpoint_root"


def test_a_worker_forgets_nothing_of_the_last_month(people: People) -> None:
    """Whatever moment it names."""
    old = "INSERT INTO log_line (id, kind, at, text, salt, commitment, number) VALUES "
    row = (
        "(gen_random_uuid(), 'policy', now() - interval '{age} days', '{{}}', {salt}, {entry}, {n})"
    )
    for number, age in ((0, 31), (1, 29)):
        values = row.replace("{age}", str(age)).replace("{salt}", SALT)
        values = values.replace("{entry}", ENTRY).replace("{n}", str(number))
        people.do("postgres", old + values)
    checkpoint = (
        "INSERT INTO log_checkpoint VALUES (2, decode(repeat('00', 32), 'hex'), 'x', now())"
    )
    people.do("postgres", checkpoint)

    assert people.do("wim", "SELECT forget_log_lines(now(), 100)") == "1"
    left = "SELECT number FROM log_line WHERE text IS NOT NULL AND number IS NOT NULL"
    assert people.do("wim", left) == "1"
