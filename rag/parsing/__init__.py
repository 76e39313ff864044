"""Turns files into text with its structure.

Workers use :class:`rag.parsing.parser.IsolatedParser`, which has every file parsed in a fresh, limited
process. ``fork_server`` forks that process, :mod:`rag.isolation` confines it, and ``wire`` carries the
answer back. ``formats`` maps media types to parsers; each of the other modules reads some of them. Only
the fork server imports those, so no worker ever loads a foreign parser. ``small_texts`` reads small texts in
the worker itself.
"""
