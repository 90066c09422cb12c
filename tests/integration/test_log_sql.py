"""What logins with raw SQL can do about the log: add lines, under their own names."""

import pytest
from sqlalchemy import text

from storage.catalog import schema
from tests.support.catalogs.databases import HOME, Throwaway, opened
from tests.support.people_sql import People, people

__all__ = ["people"]

ADD = (
    "INSERT INTO log_line (id, kind, at, text, salt, commitment) VALUES "
    "(gen_random_uuid(), 'opening', now(), {text}, {salt}, {entry}) RETURNING login"
)
TEXT, SALT, ENTRY = "'{{}}'", "decode(repeat('00', 32), 'hex')", "decode(repeat('00', 33), 'hex')"

RECOVERING = (
    "INSERT INTO catalog_info (id, region, catalog_id, oldest_code, newest_code) "
    "VALUES (1, 'eu-central-1', gen_random_uuid(), 0, 0)"
)


def add(said: str = TEXT, salt: str = SALT, entry: str = ENTRY) -> str:
    """Return the statement that adds a line."""
    return ADD.replace("{text}", said).replace("{salt}", salt).replace("{entry}", entry)


@pytest.mark.parametrize("login", ["sam", "wim", "alice"])
def test_a_line_has_the_login_that_added_it(people: People, login: str) -> None:
    """Whatever it says of an actor. No login gives another name."""
    assert people.do(login, add()) == login
    named = add().replace("commitment)", "commitment, login)").replace(")\n RETURNING", "")
    named = named.replace(" RETURNING login", "").replace(f"{ENTRY})", f"{ENTRY}, 'bob')")
    assert people.do(login, named) == "forbidden"


def test_what_is_no_line_is_refused(people: People) -> None:
    """A text that is no JSON object, a salt or an entry of another size: all would stop the log."""
    assert people.do("sam", add(said="'garbage'")) == "log_line_text"
    assert people.do("sam", add(said="'[]'")) == "log_line_text"
    assert people.do("sam", add(salt="'a'")) == "log_line_sizes"
    assert people.do("sam", add(entry="'a'")) == "log_line_sizes"
    root = "INSERT INTO log_checkpoint VALUES (7, 'a', 'x', now())"
    assert people.do("sam", root) == "log_checkpoint_root"


@pytest.mark.parametrize("login", ["sam", "wim", "alice"])
def test_a_line_of_a_time_that_lies_ahead_is_refused(people: People, login: str) -> None:
    """It would never be forgotten, nor what comes after it. A clock that is wrong is no reason."""
    for said in ("now() + interval '2 days'", "'9998-12-31'"):
        assert people.do(login, add().replace("now()", said)) == "wrong_time"
    assert people.do(login, add().replace("now()", "'9999-01-01'")) == "log_line_moment"
    assert people.do(login, add().replace("now()", "now() + interval '1 hour'")) == login


def test_a_line_that_lay_ahead_before_it_was_refused_is_of_now(alone: Throwaway) -> None:
    """Whatever its text says, also when it is restored. Other lines keep their times."""
    with opened(HOME, alone.make("ahead")) as connection:
        schema.upgrade(connection, "0040")
        for at in ("9998-01-01", "2026-01-01"):
            line = add().replace("now()", f"'{at}'")
            connection.execute(text(line.format()))
        schema.upgrade(connection)
        times = "SELECT at <= clock_timestamp(), at = '2026-01-01' FROM log_line ORDER BY at"
        assert connection.execute(text(times)).all() == [(True, True), (True, False)]

        connection.execute(text(RECOVERING))
        restored = f"gen_random_uuid(), 'lost', '9998-01-01', NULL, NULL, {ENTRY}, 7"
        connection.execute(text(f"SELECT restore_log_line({restored})"))
        assert connection.scalar(text("SELECT max(at) <= clock_timestamp() FROM log_line"))
        schema.downgrade(connection, "base")


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
