"""Snapshots as streams of bytes, and back."""
