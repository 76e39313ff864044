"""Measures how well questions with known answers are answered, over the REST contract."""
