"""Keep a transparency log: lines, checkpoints, cosignatures, and where its tiles are.

Revision: 0017
Follows: 0016
"""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

kind: str = "pre"

ALL = "domicile_service, domicile_worker, domicile_admin"
WORKER = "domicile_worker"
NUMBERED = "'ledger', 'log_tiles', 'log_lines', 'checkpoint'"
KINDS = f"'pack', 'day_key', 'file_key', 'canary', 'held', 'hold_key', {NUMBERED}"
OLD_KINDS = "'pack', 'day_key', 'file_key', 'canary', 'ledger', 'held', 'hold_key'"
CHANGE_KINDS = """
ALTER TABLE object
  DROP CONSTRAINT object_kind,
  DROP CONSTRAINT object_number,
  ADD CONSTRAINT object_kind CHECK (kind IN ({kinds})),
  ADD CONSTRAINT object_number CHECK ((kind IN ({numbered})) = (number IS NOT NULL))
"""
FUNCTIONS = {  # with the roles that may call them
    "number_log_lines(integer)": ALL,
    "restore_log_line(uuid, text, timestamptz, text, bytea, bytea, bigint)": WORKER,
    "forget_log_lines(timestamptz, integer)": WORKER,
    "prune_log(bigint)": WORKER,
}
TABLES = "log_line, log_checkpoint, log_cosignature, log_tile, log_state"


def upgrade() -> None:
    """Add it. Every role appends and seals; a worker alone forgets, prunes and restores."""
    op.execute(CHANGE_KINDS.format(kinds=KINDS, numbered=NUMBERED))
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    sql = Path(__file__).with_name("0017_log.sql").read_text().replace(':"schema"', str(schema))
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
    op.execute(f"GRANT SELECT ON {TABLES} TO {ALL}")
    op.execute(f"GRANT INSERT (id, kind, at, text, salt, commitment) ON log_line TO {ALL}")
    op.execute(f"GRANT INSERT ON log_checkpoint, log_cosignature, log_tile TO {ALL}")
    op.execute(f"GRANT UPDATE (holder, lease) ON log_state TO {ALL}")
    op.execute(f"GRANT DELETE ON log_tile TO {WORKER}")
    for function, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")


def downgrade() -> None:
    """Drop it. Raises RuntimeError if a checkpoint was signed: that is evidence."""
    signed = op.get_bind().scalar(sa.text("SELECT count(*) FROM log_checkpoint"))
    if signed:
        raise RuntimeError(f"The log has {signed} signed checkpoints: keep them.")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP FUNCTION forgettable_before()")
    op.execute(f"DROP TABLE {TABLES}")
    op.execute("DELETE FROM object WHERE kind IN ('log_tiles', 'log_lines', 'checkpoint')")
    op.execute(CHANGE_KINDS.format(kinds=OLD_KINDS, numbered="'ledger'"))
