"""The API, called from the command line."""
