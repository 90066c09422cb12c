"""The interface that services use."""
