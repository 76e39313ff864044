"""Backups in a bucket or a folder: encrypted parts, and the manifests that make them backups."""
