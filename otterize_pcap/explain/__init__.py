"""Why there is an edge between two workloads, or why there is none."""
