"""Places that store bytes. ``registry`` opens them; all have the port ``Backend``."""
