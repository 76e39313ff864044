"""How jobs' messages get to the broker."""
