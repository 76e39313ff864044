"""What Celery is told of the broker, and messages that are signed."""
