"""IAM policies by resource: kept, read with an etag, and in force after the settable delay."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from google.iam.v1 import policy_pb2

from emonk_ops.sandbox.iam import conditions, errors
from emonk_ops.sandbox.iam.roles import BASIC, PERMISSIONS
from emonk_ops.sandbox.store import Store

KIND = "iam.policy"
SETTINGS = "iam.settings"
MEMBERS = ("user:", "serviceAccount:", "group:", "domain:", "principal:", "principalSet:")
DELETED = re.compile(r"^deleted:(.+)\?uid=\d+$")
OPEN = ("allUsers", "allAuthenticatedUsers")
CONDITIONAL_VERSION = 3
MOST_HISTORY = 20

Policy = policy_pb2.Policy
Default = Callable[[str], Policy]


class Policies:
    """Policies of projects and of services. `default` gives that of a resource nobody set one on.

    A change is read back at once, and decides only `delay` later, as access changes propagate on
    the platform (iam/docs/access-change-propagation: minutes, in both directions).
    """

    def __init__(self, store: Store, now: Callable[[], datetime], default: Default) -> None:
        self._store = store
        self._now = now
        self._default = default
        self._cache: dict[str, list[tuple[datetime, Policy]]] = {}

    @property
    def delay(self) -> timedelta:
        """How long a change takes to decide."""
        return timedelta(seconds=float(self._store.get(SETTINGS, "delay") or b"0"))

    def set_delay(self, seconds: float) -> None:
        self._store.put(SETTINGS, "delay", str(seconds).encode())

    def read(self, resource: str) -> Policy:
        """The policy as it was set last, with its etag."""
        policy = Policy()
        policy.CopyFrom(self._versions(resource)[-1][1])
        policy.etag = _etag(policy)
        return policy

    def write(self, resource: str, wanted: Policy) -> Policy:
        """Replace the policy. Raises Refusal: bad bindings, or an etag that is not the current."""
        current = self.read(resource)
        if wanted.etag and wanted.etag != current.etag:
            raise errors.etag_mismatch()
        conditional = any(one.HasField("condition") for one in wanted.bindings)
        if conditional and wanted.version != CONDITIONAL_VERSION:
            raise errors.invalid(
                "Specifying conditional bindings requires the policy version 3, but "
                f"{wanted.version} was given."
            )
        stored = Policy(version=wanted.version or 1, bindings=_checked(wanted))
        if stored.SerializeToString(deterministic=True) != _content(current):
            self._append(resource, stored)
        return self.read(resource)

    def in_force(self, resource: str, at: datetime) -> Policy:
        """The policy that decides at `at`."""
        versions = self._versions(resource)
        for begins, policy in reversed(versions):
            if begins <= at:
                return policy
        return versions[0][1]

    def reset(self) -> None:
        self._cache.clear()

    def _append(self, resource: str, policy: Policy) -> None:
        begins = self._now() + self.delay
        versions = [*self._versions(resource), (begins, policy)][-MOST_HISTORY:]
        self._cache[resource] = versions
        for name, _ in list(self._store.list(KIND, f"{resource}#")):
            self._store.delete(KIND, name)
        for index, (since, one) in enumerate(versions):
            name = f"{resource}#{index:02d}#{since.isoformat()}"
            self._store.put(KIND, name, one.SerializeToString())

    def _versions(self, resource: str) -> list[tuple[datetime, Policy]]:
        if resource not in self._cache:
            kept = list(self._kept(resource))
            first = (datetime.min.replace(tzinfo=UTC), self._default(resource))
            self._cache[resource] = kept or [first]
        return self._cache[resource]

    def _kept(self, resource: str) -> Iterator[tuple[datetime, Policy]]:
        for name, raw in self._store.list(KIND, f"{resource}#"):
            yield datetime.fromisoformat(name.rpartition("#")[2]), Policy.FromString(raw)


def _checked(wanted: Policy) -> list[policy_pb2.Binding]:
    """Bindings of one role and condition as one, each member once, as the platform keeps them."""
    merged: dict[tuple[str, bytes], policy_pb2.Binding] = {}
    for binding in wanted.bindings:
        if binding.role not in PERMISSIONS:
            raise errors.invalid(f"Role {binding.role} is not supported for this resource.")
        if binding.HasField("condition"):
            if binding.role in BASIC:
                raise errors.invalid(f"{errors.BASIC_ROLE_CONDITION}: {binding.role}.")
            if any(member in OPEN for member in binding.members):
                raise errors.invalid("Conditions can't be set for allUsers.")
            conditions.parse(binding.condition.expression)
        for member in binding.members:
            _check_member(member)
        condition = binding.condition.SerializeToString(deterministic=True)
        kept = merged.setdefault((binding.role, condition), policy_pb2.Binding(role=binding.role))
        if binding.HasField("condition"):
            kept.condition.CopyFrom(binding.condition)
        kept.members.extend(one for one in binding.members if one not in kept.members)
    return [one for one in merged.values() if one.members]


def _check_member(member: str) -> None:
    # A deleted account's bindings stay, with its id behind it, and are written back with the rest.
    member = DELETED.sub(r"\1", member)
    known = member in OPEN or (member.startswith(MEMBERS) and member.partition(":")[2])
    if not known:
        raise errors.invalid(f"Invalid member: {member}.")
    kind, _, name = member.partition(":")
    if kind in ("user", "serviceAccount", "group") and "@" not in name:
        raise errors.invalid(f"The member {member} is of an unknown type or is no e-mail address.")


def _content(policy: Policy) -> bytes:
    bare = Policy(version=policy.version, bindings=policy.bindings)
    return bytes(bare.SerializeToString(deterministic=True))


def _etag(policy: Policy) -> bytes:
    return hashlib.sha256(_content(policy)).digest()[:8]
