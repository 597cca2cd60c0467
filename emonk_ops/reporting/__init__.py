"""The report of a rollout, from its journal and the evidence kept beside it. Asks no cloud."""
