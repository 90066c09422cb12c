"""Let the time of a refusal be later than its recording.

It is not older than the consent that it withdraws, and that may have come from a clock that was
ahead. When it was recorded is noted as it was.

Revision: 0046
Follows: 0045
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0046"
down_revision: str | None = "0045"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"


def upgrade() -> None:
    """Leave the constraint to consents."""
    op.execute("ALTER TABLE consent DROP CONSTRAINT consent_given")
    check = "given <= recorded OR kind <> 'opt_in'"
    op.execute(f"ALTER TABLE consent ADD CONSTRAINT consent_given CHECK ({check})")


def downgrade() -> None:
    """Note refusals as older versions do: as recorded when they were said."""
    op.execute("UPDATE consent SET recorded = given WHERE given > recorded")
    op.execute("ALTER TABLE consent DROP CONSTRAINT consent_given")
    op.execute("ALTER TABLE consent ADD CONSTRAINT consent_given CHECK (given <= recorded)")
