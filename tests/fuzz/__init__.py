"""Hostile input for each parser: whatever it is given, only documented errors come out."""
