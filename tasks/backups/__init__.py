"""Backups made, pruned and restored."""
