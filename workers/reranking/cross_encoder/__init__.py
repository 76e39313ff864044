"""The bundled cross-encoder: it reads a question and a passage together, and says how well they fit."""
