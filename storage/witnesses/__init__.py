"""The ways to the witnesses of a log."""
