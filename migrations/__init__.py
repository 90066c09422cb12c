"""The schema of a region's catalog: one Alembic environment, run for every region."""
