"""Let a key service read a tenant's terms, the flags of a record, and decisions about holds.

Revision: 0025
Follows: 0024

With it the key service decides by the same rules as a service. The replay of what people did has a
refusal of its own outside of a recovery: before, it was the one for logins of people.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

KEYS = "domicile_keys"
COLUMNS = {
    "tenant": "residency, traits",
    "hold_change": "id, hold_id, kind, document, permitted, requested_by, approved, approved_by",
    **dict.fromkeys(("record", "file", "held"), "sealed_flags"),
}
CHECK = re.compile(r"CREATE (FUNCTION check_recovery\(\).*?END \$\$;)", re.DOTALL)
LAST = re.compile(r"(.*)'not_a_process'", re.DOTALL)  # the one of check_recovery itself


def upgrade() -> None:
    """Grant the columns, and name the reason."""
    for table, columns in COLUMNS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {KEYS}")
    _replace(LAST.sub(r"\1'not_recovering'", _older()))


def downgrade() -> None:
    """Take them back."""
    _replace(_older())
    for table, columns in COLUMNS.items():
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {KEYS}")  # noqa: S608


def _older() -> str:
    """Return the function as 0021 has it."""
    found = CHECK.search(Path(__file__).with_name("0021_hold_authority.sql").read_text())
    assert found is not None
    return found[1]


def _replace(function: str) -> None:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(re.sub(r"\bours\.", lambda _: f"{schema}.", f"CREATE OR REPLACE {function}"))
