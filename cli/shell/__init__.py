"""What every command has in common with its shell: statuses, groups, values, questions."""
