"""Scrub: compare the catalog with what each backend has, and repair the differences."""
