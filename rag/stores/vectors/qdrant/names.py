"""Names in a collection on a Qdrant server."""

DENSE, LEXICAL = "dense", "lexical"
"""Vectors of a point: the passage's embedding, and its BM25 term weights."""

TOKENS = "tokens"
"""Payload field with the token vectors: base64 of their float16 numbers, little-endian, row by row."""

TENANT = "tenant"
"""Payload field with the terms of the metadata field that names a document's tenant."""

MARK = "aegis"
"""Key in the metadata of our collections; its value describes the layout."""

UPLOADED = "aegis-restored.snapshot"
"""The name of a snapshot that Aegis sent to a node."""
