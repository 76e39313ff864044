"""Text: its blocks, sentences, words and passages."""
