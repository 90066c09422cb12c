"""Hooks into other people's software. Each needs its own extra, and uses the public API alone."""
