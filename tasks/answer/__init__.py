"""Questions answered."""
