"""Why jobs wait, from their records and from what is known of the workers."""
