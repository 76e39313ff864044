"""Programs that ingest the same texts as Aegis with other libraries.

``bench.comparison`` runs them in a virtual environment of their own, made from ``requirements.txt``. They
import nothing of Aegis. Each prints one JSON object: seconds by sort of text.
"""
