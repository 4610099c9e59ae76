"""The Kubernetes API: requests, watches and exec streams."""
