"""Vector stores. ``remote`` is what tasks use and imports no engine; ``edge`` is the engine itself."""
