"""Adapters to Google Cloud, one a product: the only google imports of the operator's side."""
