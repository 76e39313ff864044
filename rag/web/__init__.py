"""Addresses, headers and JSON, as the web writes them."""
