"""JSON as Python has it: apart from the nouns of ``rag.model``, so that a client loads none of them."""

from typing import Any

Json = dict[str, Any]
