"""What ``aegis doctor`` finds out, a module an area."""
