"""Finds the legacy path in a service's own source, and makes the patch that removes it."""
