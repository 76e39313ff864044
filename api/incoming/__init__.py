"""Bodies on their way in, bounded before they are parsed."""
