"""What all tests share."""

from hypothesis import settings

pytest_plugins = ["storage.testing"]

# how long an example may take says nothing on a machine that does other things too
settings.register_profile("domicile", deadline=None)
settings.load_profile("domicile")
