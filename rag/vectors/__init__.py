"""Points and their search, behind one port."""
