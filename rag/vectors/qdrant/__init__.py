"""The vector store on a Qdrant server or cluster. ``store`` is the port's implementation."""
