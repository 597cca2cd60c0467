"""Cloud Monitoring v3 and dashboards: series computed from the logs, alerts that open incidents."""
