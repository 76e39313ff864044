"""How records come back after Redis has lost them."""
