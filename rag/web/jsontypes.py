"""The type of JSON objects. It is not in ``rag.model``, so that a client need not load that package."""

from typing import Any

Json = dict[str, Any]
