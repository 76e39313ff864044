"""What the API calls: requests become recorded jobs."""
