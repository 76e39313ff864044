"""Data on the terminal: tables, pages, lines."""
