"""The embedded engine: Qdrant Edge behind a socket of this machine."""
