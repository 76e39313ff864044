"""How every stage of a job runs."""
