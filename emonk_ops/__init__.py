"""A rollout operator for one service: from an in-process cron loop to Cloud Scheduler.

This file imports nothing, so that `emonk_ops.tick` can be installed and served alone.
"""
