"""Transparency logs in the formats of C2SP: tiles, checkpoints, cosignatures, proofs.

Nothing here reads a file, a clock or a database: bytes come from a reader that the caller gives.
"""
