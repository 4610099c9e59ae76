"""Kubernetes objects → who held an address when, and what each virtual address stood for."""
