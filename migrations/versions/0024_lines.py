"""Let the catalog write the lines about people, and let no forged checkpoint stop the log.

Revision: 0024
Follows: 0023

The functions about grants and the roster add their line themselves, whoever calls them. Code before
this revision adds a second one. A checkpoint or a cosignature that is forged stands beside the true
one, and numbers follow from lines alone.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

ALL = "domicile_service, domicile_worker, domicile_admin"
ADMIN, KEYS = "domicile_admin", "domicile_keys"
NUMBER = "number_log_lines(integer{})"
ENTER = "enter_roster(text, text, text, text, text, text, text, date, date, boolean, timestamptz{})"
FUNCTIONS = (
    "note_root_key(integer)",
    "note_grant(text, uuid, timestamptz)",
    "note_entry(text, integer, timestamptz)",
    "add_log_line(text, jsonb, timestamptz)",
    "said_moment(timestamptz)",
    "next_log_number()",
)
TWICE = """
SELECT count(*) FROM (
  SELECT FROM log_checkpoint GROUP BY size HAVING count(*) > 1
  UNION ALL SELECT FROM log_cosignature GROUP BY size, witness HAVING count(*) > 1
) AS twice
"""
BEFORE = {  # where older revisions create the functions
    "0019_grants.sql": (
        *("approve_grant", "approve_grant_for_customer", "enter_roster", "revoke_grant"),
    ),
    "0021_hold_authority.sql": ("request_grant",),
    "0023_closed_functions.sql": ("number_log_lines", "prune_log"),
}
KEYS_BEFORE = """
ALTER TABLE log_checkpoint DROP CONSTRAINT log_checkpoint_pkey, ADD PRIMARY KEY (size);
ALTER TABLE log_cosignature
  DROP CONSTRAINT log_cosignature_pkey, ADD PRIMARY KEY (size, witness);
ALTER TABLE log_line
  DROP CONSTRAINT log_line_length, DROP CONSTRAINT log_line_moment, DROP CONSTRAINT log_line_kind;
"""


def upgrade() -> None:
    """Change them. A key service may say that its root key has a new version, and no more."""
    _run(_text("0024_lines.sql"))
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    _let(NUMBER.format(", bigint"), ALL)
    _let(ENTER.format(", integer"), ADMIN)
    op.execute(f"GRANT EXECUTE ON FUNCTION note_root_key(integer) TO {KEYS}")


def downgrade() -> None:
    """Make them as before. Raises RuntimeError if a forged row stands beside a true one."""
    twice = op.get_bind().scalar(sa.text(TWICE))
    if twice:
        raise RuntimeError(
            f"{twice} checkpoints or cosignatures stand beside others: delete the forged rows."
        )
    op.execute(f"DROP FUNCTION {NUMBER.format(', bigint')}")
    op.execute(f"DROP FUNCTION {ENTER.format(', integer')}")
    for file, names in BEFORE.items():
        for name in names:
            found = re.search(rf"FUNCTION {name}\(.*?\$\$.*?\$\$", _text(file), re.DOTALL)
            assert found is not None
            _run(f"CREATE OR REPLACE {found[0]}")
    _let(NUMBER.format(""), ALL)
    _let(ENTER.format(""), ADMIN)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    _run(KEYS_BEFORE)


def _let(function: str, roles: str) -> None:
    """Let these roles call a function, and nobody else."""
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def _text(file: str) -> str:
    return Path(__file__).with_name(file).read_text()


def _run(sql: str) -> None:
    """Execute statements, with the name of the catalog's schema in its place."""
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    sql = re.sub(r"\bours\.", lambda _: f"{schema}.", sql)
    # only without parameters does psycopg take several at once
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
