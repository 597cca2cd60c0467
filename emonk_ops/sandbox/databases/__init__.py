"""Firestore Admin v1: which databases a project has."""
