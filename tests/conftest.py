"""What all tests share."""

pytest_plugins = ["storage.testing"]
