"""Objects on backends: one write protocol, keys, and the release of what nothing needs."""
