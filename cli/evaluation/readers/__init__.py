"""Readers of questions with known answers: a form of file a module."""
