"""Bugs that somebody might write, one at a time, and the tests that have to notice each."""
