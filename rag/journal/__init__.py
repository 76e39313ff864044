"""The journal: records that outlive Redis, in the blob store."""
