"""What routes share: the caller's key, bodies that were let in, waiting for jobs."""
