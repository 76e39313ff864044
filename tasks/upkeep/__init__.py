"""Housekeeping: sweep, purge, put records in order."""
