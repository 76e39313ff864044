"""What Aegis calls things in a collection on a Qdrant server."""

DENSE, LEXICAL = "dense", "lexical"
"""Vectors of a point: of the passage, and its BM25 term weights."""

TOKENS = "tokens"
"""Payload field with the token vectors: base64 of their float16 numbers, little-endian, row by row."""

TENANT = "tenant"
"""Payload field with the terms of the metadata field that says whose a document is."""

MARK = "aegis"
"""Key of the collection's metadata that says it is ours, and how it was laid out."""

UPLOADED = "aegis-restored.snapshot"
"""What a snapshot that Aegis sent to a node is called there."""
