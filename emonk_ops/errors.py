"""Errors of the operator's side: what happened, to which thing, and the next command to run."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The promise made to pipelines; `emonk-ops help exit-codes` prints these sentences."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    REFUSED = 3
    CLOUD = 4
    INCONCLUSIVE = 5
    ROLLED_BACK = 6
    RESTORE_INCOMPLETE = 7
    BUG = 70
    WAITING = 75
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done, or already so",
    ExitCode.CHECK_FAILED: "a check or an acceptance criterion failed",
    ExitCode.USAGE: "usage: an unknown name, option or setting",
    ExitCode.REFUSED: "refused: gate, hold, lock, missing confirmation or attestation",
    ExitCode.CLOUD: "the cloud said no or could not be reached",
    ExitCode.INCONCLUSIVE: "inconclusive: not enough evidence, which is never a pass",
    ExitCode.ROLLED_BACK: "rolled back after a failure: the state is safe, the goal is missed",
    ExitCode.RESTORE_INCOMPLETE: "a restore or rollback did not complete: act now",
    ExitCode.BUG: "a bug in emonk-ops",
    ExitCode.WAITING: "waiting (soak, propagation): run the same command again later",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.TERMINATED: "terminated (SIGTERM)",
}

# When several apply, the first of these wins.
EXIT_CODE_PRECEDENCE: tuple[ExitCode, ...] = (
    ExitCode.RESTORE_INCOMPLETE,
    ExitCode.ROLLED_BACK,
    ExitCode.CLOUD,
    ExitCode.CHECK_FAILED,
    ExitCode.REFUSED,
    ExitCode.INCONCLUSIVE,
    ExitCode.WAITING,
    ExitCode.DONE,
)


def most_urgent(codes: list[ExitCode]) -> ExitCode:
    """The one exit code for several outcomes; DONE for none."""
    for code in EXIT_CODE_PRECEDENCE:
        if code in codes:
            return code
    return codes[0] if codes else ExitCode.DONE


class OpsError(Exception):
    """Something went wrong that the operator can act on."""

    code = "error"
    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.hint = hint
        self.untouched = False  # whoever raised it knows that nothing is left changed

    @property
    def message(self) -> str:
        return str(self)


class UsageError(OpsError):
    """The command was given a name, option or setting that does not exist."""

    code = "usage"
    exit_code = ExitCode.USAGE


class Refused(OpsError):
    """The command may not run now."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class GateClosed(Refused):
    """The stage before has not passed in this environment."""

    code = "gate"


class OnHold(Refused):
    """The environment is on hold after a rollback."""

    code = "hold"


class Locked(Refused):
    """Somebody else holds the lock of this environment."""

    code = "lock"


class LockLost(Refused):
    """The lock was lost to another holder while the run was going on."""

    code = "lock-lost"


class StillLeased(OpsError):
    """A live lease is in the way; it ends by itself."""

    code = "leased"
    exit_code = ExitCode.WAITING


class StillSettling(OpsError):
    """The platform has not taken in an earlier change yet; it does by itself."""

    code = "settling"
    exit_code = ExitCode.WAITING


class StateDamaged(OpsError):
    """A state file is damaged; it is left as it is."""

    code = "state-damaged"
    exit_code = ExitCode.REFUSED


class CloudError(OpsError):
    """The cloud said no or could not be reached."""

    code = "cloud"
    exit_code = ExitCode.CLOUD


class NotFound(CloudError):
    """The resource does not exist."""

    code = "not-found"


class PermissionMissing(CloudError):
    """The caller lacks a permission."""

    code = "permission"


class CredentialsMissing(CloudError):
    """There are no usable credentials."""

    code = "credentials"


class Unreachable(CloudError):
    """The endpoint did not answer in time."""

    code = "unreachable"


class QuotaExceeded(CloudError):
    """Too many requests in this minute; later ones are answered again."""

    code = "quota"


class NotOffered(CloudError):
    """This target does not offer the API, so the question cannot be asked."""

    code = "not-offered"


class Conflict(CloudError):
    """Somebody else changed the resource in between."""

    code = "conflict"


class DeployFailed(OpsError):
    """The new revision never became ready."""

    code = "deploy-failed"

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        revision: str = "",
        log_lines: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.revision = revision
        self.log_lines = log_lines


class StepFailed(OpsError):
    """A step did what it could and the read-back says otherwise."""

    code = "step-failed"


class RestoreIncomplete(OpsError):
    """A restore or rollback did not complete: act now."""

    code = "restore-incomplete"
    exit_code = ExitCode.RESTORE_INCOMPLETE


class Interrupted(OpsError):
    """The command was stopped by a signal."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED
