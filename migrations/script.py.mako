"""${message}

Revision: ${up_revision}
Follows: ${down_revision | comma,n}
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}

kind: str = "pre"  # run before the code that needs it; "post": when no older code runs any more
code: tuple[int, int] = (1, 1)  # the revisions of the code that this catalog supports

# What a process may do with a new table or column, it is granted here: see 0002_roles.py.


def upgrade() -> None:
    """Up."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Down."""
    ${downgrades if downgrades else "pass"}
