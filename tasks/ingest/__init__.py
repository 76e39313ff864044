"""Documents in: fetch, parse, embed, index."""
