"""What Aegis calls things in a collection on a Qdrant server."""

DENSE, LEXICAL, TOKENS = "dense", "lexical", "tokens"
"""Vectors of a point: of the passage, its BM25 term weights, and one for each of its tokens."""

TENANT = "tenant"
"""Payload field with the terms of the metadata field that says whose a document is."""

MARK = "aegis"
"""Key of the collection's metadata that says it is ours, and how it was laid out."""
