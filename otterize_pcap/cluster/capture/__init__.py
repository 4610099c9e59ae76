"""Recording on nodes: the Jobs that capture, and bringing home what they recorded."""
