"""Controlled faults: each is proven to have landed, undone, and judged by what it left behind."""
