"""Taking a snapshot: list and watch objects, keep what the rules read, say who held what when."""
