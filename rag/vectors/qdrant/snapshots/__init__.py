"""A Qdrant server's own snapshots."""
