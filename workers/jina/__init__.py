"""Calls to a server of Jina's schema: https://api.jina.ai/openapi.json (POST /embeddings, POST /rerank)."""
