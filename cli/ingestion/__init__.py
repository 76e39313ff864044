"""Files and addresses sent to the API, and followed until they are searchable."""
