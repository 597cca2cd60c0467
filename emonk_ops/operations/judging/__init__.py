"""The judge of two paths that run the same jobs: pure functions over records."""
