"""Documents, collections and keys, in Redis and in the journal."""
