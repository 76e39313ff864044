"""Redis or Valkey: connections, locks, heartbeats, and small records."""
