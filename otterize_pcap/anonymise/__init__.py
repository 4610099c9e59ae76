"""What a capture holds → the same under other names and addresses, and without payload."""
