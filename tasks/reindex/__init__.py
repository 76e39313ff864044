"""A collection's embedding model changed while it serves."""
