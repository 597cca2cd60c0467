"""What can go wrong in the tick service, said for the person who has to act on it."""

from __future__ import annotations

from emonk_ops.tick.texts import encodable


class TickError(Exception):
    """Something was refused; `code` is for machines, `hint` is the next thing to do."""

    code = "refused"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        # It may quote what was handed in, and has to reach whoever asked.
        self.message = encodable(message)
        self.hint = encodable(hint)
        super().__init__(self.message)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidJob(TickError):
    """A job's description does not make sense."""

    code = "invalid_job"


class InvalidSchedule(InvalidJob):
    """A schedule is not a five-field cron line, a period or an instant."""

    code = "invalid_schedule"


class NaiveTime(InvalidJob):
    """A datetime without a time zone was handed in."""

    code = "naive_time"


class JobNotFound(TickError):
    """No job has this id."""

    code = "not_found"


class JobConflict(TickError):
    """The job exists already, or somebody changed it meanwhile."""

    code = "conflict"


class DriverConflict(TickError):
    """The driver's epoch is not the expected one."""

    code = "epoch_conflict"


class ImportRefused(TickError):
    """An export cannot be taken in; nothing of it was written."""

    code = "import_refused"


class UnknownHandler(TickError):
    """A handlers module or a job type is not known here."""

    code = "unknown_handler"


class SettingsError(TickError):
    """The environment of the service is unusable; every problem is listed."""

    code = "settings"

    def __init__(self, problems: tuple[str, ...]) -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"the settings of the service cannot be used:\n{listed}")
        self.problems = problems


class StorageError(TickError):
    """A storage call failed. `transient` says whether the same call may work a moment later."""

    code = "STORAGE"

    def __init__(self, message: str, *, code: str, transient: bool, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.transient = transient


class StorageDamaged(StorageError):
    """A job file holds a record that cannot be read; nothing was overwritten."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="DATA_LOSS", transient=False, hint=hint)
