"""The API that services use. ``storage`` re-exports its public names."""
