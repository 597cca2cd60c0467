"""What the rehearsal plays, as data: the way of both environments, with failures and ways back."""

from __future__ import annotations

from emonk_ops.errors import ExitCode
from emonk_ops.rehearsal.acts import Act, confirm

BROKEN_IMAGE = "emonk-agent-broken"
# A container that writes a line and ends before it ever listens.
BROKEN_COMMAND = ("python", "-c", "import sys; sys.exit('cannot import name: scheduler')")
CLEAN_IMAGE = "emonk-agent-clean"
CLEAN_COMMAND = ("python", "-m", "emonk_ops.sandbox.agent", "--source", "agent")
BUILT_CLEAN = {"EMONK_IMAGE": CLEAN_IMAGE}
COMMIT = """\
cd agent && git init --quiet && git add --all && git -c user.name=rehearsal \
-c user.email=rehearsal@example.com commit --quiet --message "The service as it is"\
"""

ATTESTED = (
    ("code-review", "rehearsal: the change was read by two people"),
    ("lint", "rehearsal: no linter is configured here"),
    ("type-check", "rehearsal: no type checker is configured here"),
)
INCIDENT_PLAN = ("incident-plan", "rehearsal: the runbook beside the on-call's bed")
NO_OTHER_CALLERS = ("no-performance-degradation", "rehearsal: nobody else calls the service")
DASHBOARDS = ("dashboards-reviewed", "rehearsal: looked at, nothing odd")
NO_RETURN = ("point-of-no-return", "rehearsal: the team knows, nobody needs the loop")
TRAINED = ("team-trained", "rehearsal: everybody on call went through this story")

PRODUCTION = ("--env", "production", "--yes")
CUTOVER = ("stage", "4", *PRODUCTION, *confirm(INCIDENT_PLAN, DASHBOARDS))
CLEANUP = ("stage", "5", *PRODUCTION)


def prologue() -> tuple[Act, ...]:
    """A sandbox with the world before the migration, and a service of one's own."""
    return (
        Act(
            "A Google Cloud in this machine: emonk-agent already runs on its legacy loop",
            ("sandbox", "up", "--detach", "--clock", "virtual"),
            why="Real processes, Google's own clients; the clock jumps while everything sleeps.",
        ),
        Act("Settings and a small service beside them", ("init", "--sandbox")),
        Act("Before anything: who drives?", ("status", "--env", "qa")),
    )


def qa_stages() -> tuple[Act, ...]:
    """Stages 0 to 2 in QA, with a failing deployment and a rollback on the way."""
    return (
        stage_0("qa"),
        Act("Stage 1: what would it do?", ("stage", "1", "--env", "qa", "--plan")),
        Act("Stage 1: deploy with both paths", ("stage", "1", "--env", "qa")),
        *failing_deploy(),
        Act(
            "Stage 1 once more: un-pins, and reads back what serves",
            ("stage", "1", "--env", "qa"),
            why="A rollback pins traffic: every later deployment would get 0 % and look fine.",
        ),
        Act("Stage 2: Cloud Scheduler becomes the only driver", ("stage", "2", "--env", "qa")),
        Act("Who drives now?", ("status", "--env", "qa")),
        Act("The last ticks", ("logs", "ticks", "--env", "qa", "--limit", "3")),
    )


def stage_0(env: str) -> Act:
    return Act(
        "Stage 0: is everything in place?",
        ("stage", "0", "--env", env, "--yes", *confirm(*ATTESTED)),
        why="Measured wherever a machine can know; a person's recorded word elsewhere.",
    )


def failing_deploy() -> tuple[Act, ...]:
    return (
        Act(
            "An image whose container never becomes ready",
            ("sandbox", "image", "add", BROKEN_IMAGE, "--", *BROKEN_COMMAND),
        ),
        Act(
            "Stage 1 again, with that image: it must be rolled back",
            ("stage", "1", "--env", "qa"),
            ExitCode.ROLLED_BACK,
            {"EMONK_IMAGE": BROKEN_IMAGE},
        ),
        Act(
            "After a rollback nothing goes forward", ("stage", "2", "--env", "qa"), ExitCode.REFUSED
        ),
        Act(
            "Somebody says why it may",
            ("resume", "--env", "qa", "--reason", "the broken image was withdrawn"),
        ),
    )


def qa_shadow_and_cutover() -> tuple[Act, ...]:
    """Stages 3 and 4 in QA: an hour, a day, the failures, and the way back rehearsed."""
    return (
        Act(
            "Stage 3: an hour in which both paths drive, judged",
            ("stage", "3", "--env", "qa"),
            why="Each slot runs once, by one of the two; the other takes over if it is missed.",
        ),
        Act("Alerts and whom they reach", ("alerts", "apply", "--env", "qa")),
        Act(
            "Stage 4: jobs into Firestore, the loop ends, a day of watching; one word is missing",
            ("stage", "4", "--env", "qa", *confirm(INCIDENT_PLAN)),
            ExitCode.REFUSED,
            why="The day is healthy, but nobody has seen a failure handled yet.",
        ),
        Act(
            "The appendix's tests, each failure proven to have landed",
            ("inject", "suite", "--env", "qa"),
        ),
        Act("Stage 4 goes on from there", ("stage", "4", "--env", "qa")),
        Act("The way back, rehearsed and timed", ("rollback", "drill", "--env", "qa")),
    )


def production_to_the_cutover() -> tuple[Act, ...]:
    """Stages 0 to 3 at a tick a minute: the loop drives until the shadow."""
    return (
        stage_0("production"),
        Act("Production, stage 1", ("stage", "1", *PRODUCTION)),
        Act(
            "Production, stage 2: the job is made, paused; a canary tick",
            ("stage", "2", *PRODUCTION),
        ),
        Act(
            "Production, stage 3: a shadow until its samples say enough",
            ("stage", "3", *PRODUCTION, *confirm(NO_OTHER_CALLERS)),
            why='An hour has 60 ticks; "error rate <1 %" needs 299 of each path. It goes on.',
        ),
        Act("Production, alerts", ("alerts", "apply", *PRODUCTION)),
    )


def production_bad_nights() -> tuple[Act, ...]:
    """Cut over twice, and twice back: Firestore trouble, and an emergency."""
    return (
        Act("Production, stage 4 begins its day", (*CUTOVER, "--no-wait"), ExitCode.WAITING),
        Act(
            "Firestore trouble: the jobs back into a file, Cloud Scheduler stays",
            ("rollback", "--partial", *PRODUCTION),
        ),
        Act(
            "It is over",
            ("resume", "--env", "production", "--reason", "Firestore is well again"),
        ),
        Act("Forward again", (*CUTOVER, "--no-wait"), ExitCode.WAITING),
        Act(
            "Three in the morning: an emergency",
            ("rollback", "--emergency"),
            why="Asks nothing, builds nothing; the job is paused before anything is read.",
        ),
        Act("Who drives after it?", ("status", "--env", "production")),
        Act(
            "The cause was found",
            ("resume", "--env", "production", "--reason", "a dependency of ours, mended"),
        ),
    )


def production_cutover_and_cleanup(*, with_git: bool) -> tuple[Act, ...]:
    """Stage 4 with its day, and stage 5 after seven."""
    return (
        Act(
            "Production, stage 4: a day at a tick a minute",
            CUTOVER,
            why="1,440 ticks, each expected, seen and healthy; silence would be a verdict.",
        ),
        Act("Who drives production now?", ("status", "--env", "production")),
        Act("What it costs", ("cost", "--env", "production")),
        Act(
            "Production, stage 5: not before seven healthy days",
            (*CLEANUP, "--no-wait"),
            ExitCode.WAITING,
        ),
        *(_cleanup() if with_git else ()),
    )


def _cleanup() -> tuple[Act, ...]:
    return (
        Act("The service's own source", ("init", "--service-source", "agent")),
        Act("In a repository of its own", ("-c", COMMIT), program="sh"),
        Act(
            "What would go from it?",
            (*CLEANUP, "--source", "agent", "--plan"),
        ),
        Act(
            "An image that is built from that source",
            ("sandbox", "image", "add", CLEAN_IMAGE, "--", *CLEAN_COMMAND),
        ),
        Act(
            "Production, stage 5: a week, the patch, its tests, the deployment",
            (*CLEANUP, "--source", "agent", "--apply", *confirm(NO_RETURN, TRAINED)),
            env=BUILT_CLEAN,
            why="Point of no return: what is built from now on has no loop to go back to.",
        ),
        Act("Who drives production at last?", ("status", "--env", "production")),
    )


def epilogue() -> tuple[Act, ...]:
    """QA back again, and the record of it all."""
    return (
        Act("Rolling back QA's newest stage: the plan", ("rollback", "--env", "qa", "--plan")),
        Act("Rolling back QA's newest stage", ("rollback", "--env", "qa", "--yes")),
        Act("Who drives after it?", ("status", "--env", "qa")),
        Act("Rolling back twice does no harm", ("rollback", "--env", "qa", "--yes")),
        Act("What the journal says", ("history", "--env", "qa")),
    )


def with_report(acts: tuple[Act, ...], out: str) -> tuple[Act, ...]:
    """The story, and at its end a page for those who were not there, in the folder `out`."""
    both = any(PRODUCTION[1] in act.argv for act in acts)
    envs = ("--env", "production", "--also", "qa") if both else ("--env", "qa")
    report = Act(
        "A page for those who were not there",
        ("report", *envs, "--out", out),
        why="From the journal and the kept evidence alone; each sentence names its run.",
    )
    return (*acts, report)


def short_story() -> tuple[Act, ...]:
    """Stages 0 to 2 in QA: some seconds."""
    return (*prologue(), *qa_stages(), *epilogue())


def whole_story(*, with_git: bool) -> tuple[Act, ...]:
    """Everything, at the guide's cadence; the source is cleaned up where git is there for it."""
    return (
        *prologue(),
        *qa_stages(),
        *qa_shadow_and_cutover(),
        *production_to_the_cutover(),
        *production_bad_nights(),
        *production_cutover_and_cleanup(with_git=with_git),
        *epilogue(),
    )
