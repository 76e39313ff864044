"""Bytes that outlive a process, in a folder or a bucket."""
