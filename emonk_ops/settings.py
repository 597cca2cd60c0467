"""The settings of a rollout, as checked data. `settings_file.py` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

Argv = tuple[str, ...]
FILE_PLACE = "file"  # of the state: the folder of this machine
# How this program names itself to the service, so that its requests are nobody else's.
OPERATOR_AGENT = "emonk-ops/1"


class Target(StrEnum):
    """Where an environment lives. There is no default: it is always said."""

    GCP = "gcp"
    SANDBOX = "sandbox"


@dataclass(frozen=True)
class ServiceSettings:
    """`[service]`: names and paths of the service, the guide's unless changed."""

    name: str = "emonk-agent"
    region: str = "us-central1"
    job: str = "emonk-agent-tick"
    image: str = ""  # empty: keep the image that runs
    collection: str = "scheduler_jobs"
    lease_field: str = "lease_until"
    health_path: str = "/health"
    tick_path: str = "/cron/tick"
    webhook_path: str = "/webhook"
    admin_path: str = "/admin"
    admin_api: bool = True  # false: the service is known to have none, and is not asked
    startup_lines: tuple[str, ...] = ("Scheduler storage initialized", "Agent Core created")


@dataclass(frozen=True)
class CommandSettings:
    """`[commands]`: what the service's own repository offers. Empty means: not configured."""

    unit_tests: Argv = ("python", "-m", "pytest", "tests/unit/test_scheduler.py", "-v")
    integration_tests: Argv = (
        "python",
        "-m",
        "pytest",
        "tests/integration/test_cron_tick.py",
        "-v",
    )
    lint: Argv = ()
    type_check: Argv = ()
    deploy: Argv = ()  # e.g. ./deploy.sh; empty: deploy through the Run API
    set_up_scheduler: Argv = ()  # e.g. ./setup-scheduler.sh; empty: through the Scheduler API
    directory: Path = Path()  # where they run; relative to the settings file
    timeout_seconds: float = 900.0


@dataclass(frozen=True)
class Environment:
    """`[env.NAME]` together with everything a stage needs to know."""

    name: str
    target: Target
    project: str
    storage: str = "json"  # json | firestore: what stage 4 switches to
    cadence: str = "*/5 * * * *"
    time_zone: str = "Etc/UTC"
    invoker: str = ""  # service account that ticks; default emonk-scheduler@PROJECT…
    service_account: str = ""  # the service's own; read from the service when empty
    audience: str = ""  # of the OIDC token; default the service's URL
    attempt_deadline_seconds: int = 180
    retry_count: int = 0
    max_instances: int = 0  # on Firestore; 0: as it runs
    acceptance_intervals: int = 3
    advisory_tendencies: bool = False  # an INCONCLUSIVE tendency does not block
    only_driver: bool = (
        True  # stage 2 makes Cloud Scheduler the only driver (false: created paused)
    )
    shadow_hours: float = 1.0  # stage 3's soak; the guide asks for 1
    soak_hours: float = 24.0  # stage 4's soak; the guide asks for 24
    stable_hours: float = 168.0  # of healthy operation before stage 5; the guide asks for 7 days
    on_breach: str = "rollback"  # rollback | pause | warn: what a breach during a soak brings about
    breach_consecutive: int = 2  # looks with the same breach, one after the other, that are enough
    breach_total: int = 3  # looks with the same breach in all that are enough
    observe_only: Argv = ()  # criteria that are recorded and never act
    gated_by: str = ""  # the environment whose stage 4 and rollback drill come before this one's
    drill_days: int = 7  # how old that drill may be
    inject_seconds: int = 1200  # the longest that an injected fault may last
    inject_radius: str = "service"  # canary | ticks | instance | service: the widest allowed
    incident_plan: str = ""  # where the incident response plan is written
    job_definitions: Path | None = None  # of a service without an admin API, for the judge
    budget_dollars: float = 5.0  # a month of Firestore and Cloud Scheduler
    service_env: Mapping[str, str] = field(default_factory=dict)  # further variables of the service
    service: ServiceSettings = field(default_factory=ServiceSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    sandbox_dir: Path = Path(".emonk-sandbox")
    sandbox_grpc: str = ""  # from EMONK_SANDBOX_GRPC, else the directory's endpoint.json
    sandbox_http: str = ""
    sandbox_token: str = ""  # whose calls these are; of the sandbox's owner without one
    impersonate: str = ""  # service account to impersonate against the real cloud
    state_dir: Path = Path(".emonk-ops")
    state_place: str = FILE_PLACE  # or firestore:PROJECT/DATABASE, shared by several machines
    alert_channels: tuple[str, ...] = ()  # email addresses and full names of channels
    escalation: Mapping[str, str] = field(default_factory=dict)  # level_1 to level_4: whom to call

    @property
    def tick_invoker(self) -> str:
        return self.invoker or f"emonk-scheduler@{self.project}.iam.gserviceaccount.com"
