"""The stack on one machine: started, watched and stopped."""
