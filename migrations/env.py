"""Alembic runs this file: for the connection that it is given, or else for every region served."""

from storage.migrating.environment import run

run()
