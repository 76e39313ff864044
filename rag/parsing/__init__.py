"""Files to text with its structure.

``nursery.Nursery`` is what workers use: it has every file parsed in a fresh, limited process
(``zygote`` forks it, ``limits`` and :mod:`rag.isolation` confine it, ``wire`` carries the answer
back). ``formats`` maps media types to parsers; each of the other modules reads some of them. Only
the zygote imports those, so no worker ever loads a parser.
"""
