"""Log lines, traces of jobs, and the way of those to a collector."""
