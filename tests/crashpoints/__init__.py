"""Every operation, ended at each of its effects; and pairs of operations, one within the other.

One run of the operation finds its effects. ``python -m tests.crashpoints`` tries them all.
"""
