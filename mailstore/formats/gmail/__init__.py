"""Gmail's labels, as Google Takeout writes them: the field, the names of Gmail's own labels, and what they become."""
