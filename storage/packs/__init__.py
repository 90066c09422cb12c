"""Packs: the objects that hold the ciphertext of one or many records."""
