"""The word for an exit code, in the journal and in the JSON envelope."""

from __future__ import annotations

from emonk_ops.errors import ExitCode

STATUSES: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.CHECK_FAILED: "failed",
    ExitCode.USAGE: "error",
    ExitCode.REFUSED: "refused",
    ExitCode.CLOUD: "error",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.ROLLED_BACK: "rolled_back",
    ExitCode.RESTORE_INCOMPLETE: "restore_incomplete",
    ExitCode.BUG: "error",
    ExitCode.WAITING: "waiting",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "interrupted",
}


def status_of(code: ExitCode) -> str:
    return STATUSES[code]
