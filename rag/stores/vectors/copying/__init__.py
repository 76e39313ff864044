"""Copies of the embedded engine's collections, made while it serves."""
