"""Fetches documents given by URL, without lending the caller our place in the network.

Each fetch has a process of its own with one wall clock (:mod:`rag.fetching.process`). At every hop that
process resolves the name, checks each address, and connects to an address that it has checked; the name
stays in TLS and in the Host header. So neither a redirect nor a name that resolves to something else a
moment later (DNS rebinding) leads inside.
"""

from rag.fetching.order import Fetched, Order
from rag.fetching.process import fetch

__all__ = ["Fetched", "Order", "fetch"]
