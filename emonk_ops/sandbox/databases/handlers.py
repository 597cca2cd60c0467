"""google.firestore.admin.v1.FirestoreAdmin: databases. Raw requests in, raw answers out."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from google.cloud.firestore_admin_v1 import types
from google.longrunning.operations_pb2 import Operation
from google.protobuf import any_pb2

from emonk_ops.sandbox.iam.errors import Refusal, invalid
from emonk_ops.sandbox.store import Store

KIND = "firestore.database"
DEFAULT = "(default)"
LOCATION = "us-central1"
_NAME = re.compile(r"(projects/[^/]+)/databases/([^/]+)")
_ID = re.compile(r"\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]")
_Database = types.Database.pb()

METHODS = (
    ("GetDatabase", "get_database", types.GetDatabaseRequest.pb()),
    ("ListDatabases", "list_databases", types.ListDatabasesRequest.pb()),
    ("CreateDatabase", "create_database", types.CreateDatabaseRequest.pb()),
    ("DeleteDatabase", "delete_database", types.DeleteDatabaseRequest.pb()),
)


class DatabaseMethods:
    """A project that nobody gave or took a database has its default one, in native mode."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def get_database(self, request: Any) -> Any:
        project, database = _parsed(request.name)
        found = self._of(project).get(database)
        if found is None:
            raise _missing(project, database)
        return found

    async def list_databases(self, request: Any) -> Any:
        found = self._of(_project(request.parent))
        return types.ListDatabasesResponse.pb()(databases=[found[key] for key in sorted(found)])

    async def create_database(self, request: Any) -> Any:
        project, database = _project(request.parent), request.database_id
        if not _ID.fullmatch(database):
            raise invalid(f"Invalid database_id: {database}.")
        if not request.database.location_id:
            raise invalid("database.location_id is required.")
        known = self._of(project)
        if database in known:
            raise Refusal(
                grpc.StatusCode.ALREADY_EXISTS,
                "Database already exists. Please use another database_id",
            )
        made = self._made(project, database)
        made.location_id = request.database.location_id
        if request.database.type_:
            made.type_ = request.database.type_
        self._keep(project, {**known, database: made})
        return _done(project, made)

    async def delete_database(self, request: Any) -> Any:
        project, database = _parsed(request.name)
        known = self._of(project)
        if database not in known:
            raise _missing(project, database)
        self._keep(project, {key: one for key, one in known.items() if key != database})
        return _done(project, known[database])

    def check(self, project: str, database: str) -> None:
        """Raise Refusal where data are asked of a database that `projects/P` has not.

        A project nobody changed the databases of has every one, as with Google's emulator.
        """
        changed = self._store.get(KIND, project) is not None
        if changed and database not in self._of(project):
            raise Refusal(
                grpc.StatusCode.NOT_FOUND,
                f"The database {database} does not exist for project "
                f"{project.partition('/')[2]} Please visit"
                " https://console.cloud.google.com/datastore/setup?project="
                f"{project.partition('/')[2]} to add a Cloud Datastore or Cloud Firestore"
                " database. ",
            )

    def _of(self, project: str) -> dict[str, Any]:
        kept = self._store.get(KIND, project)
        if kept is None:
            return {DEFAULT: self._made(project, DEFAULT)}
        found = types.ListDatabasesResponse.pb().FromString(kept).databases
        return {one.name.rpartition("/")[2]: one for one in found}

    def _keep(self, project: str, databases: dict[str, Any]) -> None:
        message = types.ListDatabasesResponse.pb()(databases=list(databases.values()))
        self._store.put(KIND, project, message.SerializeToString())

    def _made(self, project: str, database: str) -> Any:
        name = f"{project}/databases/{database}"
        made = _Database(
            name=name,
            uid=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            location_id=LOCATION,
            type_=types.Database.DatabaseType.FIRESTORE_NATIVE,
            concurrency_mode=types.Database.ConcurrencyMode.PESSIMISTIC,
        )
        made.create_time.FromDatetime(self._now())
        return made


def _project(parent: str) -> str:
    if not re.fullmatch(r"projects/[^/]+", parent):
        raise invalid(f"Invalid parent: {parent}.")
    return parent


def _parsed(name: str) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid database name: {name}.")
    return match[1], match[2]


def _missing(project: str, database: str) -> Refusal:
    said = f"Project '{project.partition('/')[2]}' or database '{database}' does not exist."
    return Refusal(grpc.StatusCode.NOT_FOUND, said)


def _done(project: str, database: Any) -> Operation:
    packed = any_pb2.Any()
    packed.Pack(database)
    name = f"{project}/databases/{database.name.rpartition('/')[2]}/operations/done"
    return Operation(name=name, done=True, response=packed)
