"""Documents given by URL, fetched without lending the caller our place in the network.

Each fetch has a process of its own with one wall clock (:mod:`rag.fetching.process`). At every hop the
name is resolved there, each address is judged, and the connection goes to the very address that was
judged, with the name kept for TLS and the Host header: so neither a redirect nor a name that resolves
to something else a moment later (DNS rebinding) leads inside.
"""

from rag.fetching.order import Fetched, Order
from rag.fetching.process import fetch

__all__ = ["Fetched", "Order", "fetch"]
