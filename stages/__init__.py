"""The six stages of the rollout guide, one module each.

The folder lies at the top of the repository for its readers and is installed as
`emonk_ops.stages` (see `[tool.setuptools.package-dir]`); import it under that name only.
"""
