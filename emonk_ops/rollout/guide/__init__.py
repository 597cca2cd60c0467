"""Each line of the rollout guide, and what answers it: its stages, monitoring and appendix."""
