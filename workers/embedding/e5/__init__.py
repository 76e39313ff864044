"""multilingual-e5-small: a text of any of a hundred languages to one vector."""
