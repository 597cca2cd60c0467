"""The documented settings: what `init` writes and the example that the reader is tested against."""

from __future__ import annotations

from emonk_ops.settings import Target

SAMPLE = """\
# emonk-ops.toml: how one Cloud Run service moves from its in-process cron loop to Cloud Scheduler.
# A flag wins over an EMONK_* variable, that over this file, and the file over the defaults;
# `emonk-ops config show` says where each value comes from. A line with a single # in front of a
# key shows the default.

[service]
name = "emonk-agent"            # EMONK_SERVICE
region = "us-central1"          # EMONK_REGION
job = "emonk-agent-tick"        # EMONK_JOB: the Cloud Scheduler job
# image = ""                    # EMONK_IMAGE: what stage 1 deploys; empty keeps the image that runs
# collection = "scheduler_jobs" # where Firestore holds the jobs, and the field of their leases
# lease_field = "lease_until"
# health_path = "/health"
# tick_path = "/cron/tick"
# webhook_path = "/webhook"
# admin_path = "/admin"
# admin_api = true              # false: never ask for it; see docs/service-contract.md
# startup_lines = ["Scheduler storage initialized", "Agent Core created"]

[commands]
# What your repository offers, as lists of words. They run in `directory`, which is relative to
# this file. An empty list means: not there.
unit_tests = ["python", "-m", "pytest", "tests/unit/test_scheduler.py", "-v"]
integration_tests = ["python", "-m", "pytest", "tests/integration/test_cron_tick.py", "-v"]
# lint = ["python", "-m", "pylint", "src/core/scheduler/"]
# type_check = ["python", "-m", "mypy", "src/core/scheduler/"]
# deploy = ["./deploy.sh"]                      # empty: deploy through the Cloud Run API
# set_up_scheduler = ["./setup-scheduler.sh"]   # empty: through the Cloud Scheduler API
# directory = "."
# timeout_seconds = 900.0

[env.qa]
target = "{target}"           # gcp or sandbox: always said, never guessed (EMONK_TARGET)
project = "{qa_project}"      # EMONK_PROJECT
storage = "firestore"         # EMONK_STORAGE: json or firestore; stage 4 switches to it, and what
                              # runs (JSON, to start with) stays until then
cadence = "*/5 * * * *"       # EMONK_CADENCE
only_driver = true            # stage 2 makes Cloud Scheduler the only driver here
advisory_tendencies = true    # twelve ticks an hour settle no tendency: here it does not block
# time_zone = "Etc/UTC"       # EMONK_TIME_ZONE
# acceptance_intervals = 3    # EMONK_ACCEPTANCE_INTERVALS: how many ticks stage 2 waits for
# attempt_deadline_seconds = 180
# retry_count = 0
# max_instances = 0           # JSON storage allows one; how many from stage 4 on, 0: as it runs
# shadow_hours = 1.0          # EMONK_SHADOW_HOURS: healthy hours of stage 3 and of stage 4; less
# soak_hours = 24.0           # EMONK_SOAK_HOURS     than the guide's 1 and 24 is no evidence
# stable_hours = 168.0        # EMONK_STABLE_HOURS: before stage 5 may begin; the guide: 7 days
# on_breach = "rollback"      # EMONK_ON_BREACH: rollback, pause (a hold) or warn, during a soak
# breach_consecutive = 2      # how many looks with the same breach make it act, in a row or
# breach_total = 3            # in all; a duplicate or a lost run acts at once
# observe_only = []           # criteria that are recorded and never act, e.g. ["latency-p99"]
# gated_by = ""               # the environment whose stage 4 and rollback drill come first
# drill_days = 7              # how old that drill may be
# inject_seconds = 1200       # the longest that an injected fault may last here, and the widest
# inject_radius = "service"   # blast radius: canary, ticks, instance or service
# incident_plan = ""          # where the incident response plan is, e.g. its URL
# job_definitions = "jobs.json"  # what its jobs are, where the service has no admin API to ask
# budget_dollars = 5.0        # a month of Firestore and Cloud Scheduler
# invoker = ""                # who ticks; empty: emonk-scheduler@PROJECT.iam.gserviceaccount.com
# service_account = ""        # the service's own; empty: as it runs
# audience = ""               # of the tick's OIDC token; empty: the service's URL
# impersonate = ""            # EMONK_IMPERSONATE: a service account to act as
# service_env = {{ LOG_LEVEL = "INFO" }}   # further variables of the service

[env.production]
target = "{target}"
project = "{production_project}"
storage = "firestore"
cadence = "* * * * *"
only_driver = false           # stage 2 creates the job paused; the legacy loop keeps driving
# advisory_tendencies = false # a tendency without enough samples makes a soak longer
gated_by = "qa"               # qa's stage 4 and rollback drill come before this one's

[alerts]
# Whom the alert policies notify: email addresses, for which a channel is found or made, and full
# names of channels (`gcloud beta monitoring channels list`), each for the project it names.
{channels}

[rollback]
emergency_env = "production"  # what `emonk-ops rollback --emergency` means when no --env is given

[escalation]
# Whom to call, and how, for `emonk-ops runbook`: whoever reads it, those who know the service,
# whoever may decide on a rollback, and the support contract with Google Cloud.
# level_1 = ""
# level_2 = ""
# level_3 = ""
# level_4 = ""

[state]
# Where journal, lock and evidence are, apart from the storage of the jobs: "file" is the folder
# below, on this machine only; "firestore:PROJECT" or "firestore:PROJECT/DATABASE" is shared by
# laptops and pipelines. The folder then has a mirror of it, and what waits while it is down.
# place = "file"              # EMONK_STATE
dir = ".emonk-ops"            # EMONK_STATE_DIR: also for saved jobs; relative to this file
# In CI a file vanishes with its runner. To use one nevertheless say so here and with
# EMONK_STATE_FILE_IN_CI=1.
# file_in_ci = false

[sandbox]
dir = ".emonk-sandbox"        # EMONK_SANDBOX_DIR; EMONK_SANDBOX_GRPC and _HTTP win over it
"""


def sample(target: Target) -> str:
    """The sample for the real cloud, or for the sandbox's two projects."""
    if target is Target.SANDBOX:
        return SAMPLE.format(
            target=target,
            qa_project="emonk-qa",
            production_project="emonk-production",
            channels='channels = ["oncall@example.com"]',
        )
    return SAMPLE.format(
        target=target,
        qa_project="your-qa-project",
        production_project="your-production-project",
        channels="# channels = []",
    )
