"""What is sent and answered, as OpenAPI shows it."""
