"""The key service: holds the root keys of a region, and checks the permits of people itself."""
