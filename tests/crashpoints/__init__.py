"""Every operation, ended at every one of its effects; and two of them, one within the other.

The effects are found by running the operation once. ``python -m tests.crashpoints`` tries them all.
"""
