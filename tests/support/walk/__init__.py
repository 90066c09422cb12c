"""A walk over the public interface: every public callable is called, and none shows content."""
