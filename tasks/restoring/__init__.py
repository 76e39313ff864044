"""The steps of a restore, and what they know of each other."""
