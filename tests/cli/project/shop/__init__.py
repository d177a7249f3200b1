"""A package with graphs."""
