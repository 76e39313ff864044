"""What a backup saves, a portion at a time, and how far it is."""
