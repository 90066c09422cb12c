"""The ways to processors: one module per kind of connector."""
