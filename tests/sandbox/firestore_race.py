"""One claimant in a race for one document, as a process of its own, by Google's client.

Usage: firestore_race.py ADDRESS PROJECT. Each line of its input names a round's document; it
claims the document in a transaction and says "won" or "lost".
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from google.api_core.exceptions import Aborted
from google.cloud import firestore

TRIES = 5


def main(address: str, project: str) -> None:
    warnings.simplefilter("ignore")
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    client: Any = firestore.Client(project=project)
    me = str(os.getpid())

    @firestore.transactional
    def claim(transaction: Any, reference: Any) -> bool:
        if reference.get(transaction=transaction, timeout=20).get("holder") is not None:
            return False
        transaction.update(reference, {"holder": me})
        return True

    def tried(reference: Any) -> bool:
        for _ in range(TRIES):
            try:
                return bool(claim(client.transaction(), reference))
            except (Aborted, ValueError):
                continue  # the client gives up on a read that was aborted, and after five commits
        return False

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        won = tried(client.document(line.strip()))
        sys.stdout.write("won\n" if won else "lost\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
