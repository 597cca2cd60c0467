"""Faults on demand: what a real cloud does to its callers on a bad day."""
