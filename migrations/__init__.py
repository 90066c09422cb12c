"""The migrations of a catalog. Alembic finds them by path; no code imports this package."""
