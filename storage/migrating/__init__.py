"""What Alembic runs: migrations in the catalog of each region, and revisions that declare regions.

``env.py`` calls ``environment.run``. Operations of revisions: ``operations``.
"""
