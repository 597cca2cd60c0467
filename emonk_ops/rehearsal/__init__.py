"""The whole rollout told in the sandbox, by the same commands that an operator types."""
