"""What documents have at work: layouts, blobs, quotas, and what deletions leave."""
