"""Small pieces of services, before and after."""

from __future__ import annotations

from textwrap import dedent

import pytest

from emonk_ops.operations.legacy_source.model import JsonStorage, LoopTests, Options, Patch
from emonk_ops.operations.legacy_source.patching import patch_of

README = {"README.md": patch_of({}, Options()).files[0].after or b""}


def patch(files: dict[str, str], options: Options | None = None) -> Patch:
    raw = {name: dedent(text).encode() for name, text in files.items()}
    return patch_of({**README, **raw}, options or Options())


def after(text: str, name: str = "app.py") -> str:
    """The one file after its clean-up, which must not be refused and must be final."""
    found = patch({name: text})
    assert not found.refused, found
    changed = {one.file: one.after for one in found.files}
    result = (changed.get(name, dedent(text).encode()) or b"").decode()
    again = patch_of({**README, name: result.encode()}, Options())
    assert again.empty, again.diff()
    if name.endswith(".py"):
        compile(result, name, "exec")
    return result


CASES = {
    "a call that is awaited": (
        """
        async def main():
            agent = make()
            await agent.start_scheduler()
            await agent.serve()
        """,
        """
        async def main():
            agent = make()
            await agent.serve()
        """,
    ),
    "a body that is left empty": (
        """
        async def main():
            await agent.start_scheduler()
        """,
        """
        async def main():
            pass
        """,
    ),
    "a task that only the loop needed, and its end": (
        """
        import asyncio
        import contextlib

        async def lifespan(app):
            task = asyncio.create_task(agent.start_scheduler())
            yield
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        """,
        """
        async def lifespan(app):
            yield
        """,
    ),
    "a task of the module, kept in a set": (
        """
        import asyncio

        tasks = set()
        loop_task = None


        async def begin():
            global loop_task
            await connect()

            loop_task = asyncio.create_task(agent.start_scheduler(), name="loop")
            tasks.add(loop_task)
            loop_task.add_done_callback(tasks.discard)
            await serve(tasks)


        async def end():
            if loop_task and not loop_task.done():
                loop_task.cancel()
                try:
                    await asyncio.wait_for(loop_task, timeout=5)
                except (asyncio.CancelledError, TimeoutError):
                    pass
            await close()
        """,
        """
        tasks = set()


        async def begin():
            await connect()

            await serve(tasks)


        async def end():
            await close()
        """,
    ),
    "a try around it": (
        """
        async def begin():
            try:
                await agent.start_scheduler()
            except RuntimeError:
                log.error("no loop")
                raise
            serve()
        """,
        """
        async def begin():
            serve()
        """,
    ),
    "the other branch stays": (
        """
        async def begin():
            if settings.legacy:
                await agent.start_scheduler()
            else:
                other()
        """,
        """
        async def begin():
            if settings.legacy:
                pass
            else:
                other()
        """,
    ),
    "an else that is left empty": (
        """
        async def begin():
            if cloud:
                other()
            else:
                await agent.start_scheduler()
        """,
        """
        async def begin():
            if cloud:
                other()
        """,
    ),
    "comments of what stays are kept": (
        """
        async def begin():
            first()

            # --- start-up ---
            await agent.start_scheduler()  # the loop
            # what comes next
            second()  # here
        """,
        """
        async def begin():
            first()

            # --- start-up ---
            # what comes next
            second()  # here
        """,
    ),
    "a start-up function of its own": (
        """
        from fastapi import FastAPI

        app = FastAPI()


        @app.on_event("startup")
        async def begin():
            await agent.start_scheduler()


        @app.get("/")
        def root():
            return 1
        """,
        """
        from fastapi import FastAPI

        app = FastAPI()


        @app.get("/")
        def root():
            return 1
        """,
    ),
    "registrations": (
        """
        app.add_event_handler("startup", agent.start_scheduler)
        web = Starlette(on_startup=[connect, agent.start_scheduler], debug=True)
        """,
        """
        web = Starlette(on_startup=[connect], debug=True)
        """,
    ),
    "a thread": (
        """
        import threading
        from jobs import CronScheduler

        scheduler = CronScheduler()
        thread = threading.Thread(target=scheduler.start, daemon=True)
        thread.start()
        serve(scheduler)
        """,
        """
        from jobs import CronScheduler

        scheduler = CronScheduler()
        serve(scheduler)
        """,
    ),
    "what else starts is left alone": (
        """
        server.start()
        process.running = True
        worker.start()
        """,
        """
        server.start()
        process.running = True
        worker.start()
        """,
    ),
    "a protocol and what returns the call": (
        """
        class Agent(Protocol):
            async def start_scheduler(self): ...

            async def answer(self): ...


        class AgentCore(Agent):
            scheduler: CronScheduler

            async def start_scheduler(self):
                if not self.scheduler:
                    return
                return await self.scheduler.start()
        """,
        """
        class Agent(Protocol):
            async def answer(self): ...


        class AgentCore(Agent):
            scheduler: CronScheduler
        """,
    ),
    "several on a line": (
        """
        async def begin():
            first(); await agent.start_scheduler(); second()
        """,
        """
        async def begin():
            first(); second()
        """,
    ),
    "a variable that only the call needed": (
        """
        import os

        async def begin():
            flag = os.environ.get("SCHEDULER_LEGACY_LOOP")
            if flag == "true":
                await agent.start_scheduler()
            serve()
        """,
        """
        async def begin():
            serve()
        """,
    ),
}


@pytest.mark.parametrize(("before", "wanted"), CASES.values(), ids=CASES)
def test_what_stays_is_what_is_wanted(before: str, wanted: str) -> None:
    assert after(before).strip("\n") == dedent(wanted).strip("\n")


MIXIN = {
    "jobs/legacy_loop.py": """\
        import asyncio

        class LegacyLoop:
            cadence: int

            async def start(self):
                self.running = True
                while self.running:
                    await self._check_and_execute_jobs()
                    await asyncio.sleep(self.cadence)

            async def _check_and_execute_jobs(self):
                await self.run_tick()
        """,
    "jobs/scheduler.py": """\
        from jobs.legacy_loop import LegacyLoop
        from jobs.store import Store


        class CronScheduler(LegacyLoop, Store):
            async def run_tick(self):
                return {}
        """,
    "jobs/__init__.py": """\
        from jobs.legacy_loop import LegacyLoop
        from jobs.scheduler import CronScheduler

        __all__ = ["CronScheduler", "LegacyLoop"]
        """,
    "jobs/store.py": "class Store: pass\n",
}


def test_a_legacy_module_of_its_own_goes_with_its_registrations() -> None:
    found = patch(MIXIN)
    assert not found.refused
    changed = {one.file: one.after for one in found.files}
    assert changed["jobs/legacy_loop.py"] is None
    assert b"class CronScheduler(Store):" in (changed["jobs/scheduler.py"] or b"")
    assert b"LegacyLoop" not in (changed["jobs/scheduler.py"] or b"")
    assert changed["jobs/__init__.py"] == (
        b'from jobs.scheduler import CronScheduler\n\n__all__ = ["CronScheduler"]\n'
    )


def test_a_constant_that_others_need_keeps_the_legacy_module_from_going() -> None:
    keeps = MIXIN["jobs/legacy_loop.py"].replace(
        "import asyncio", "import asyncio\n        EACH = 5"
    )
    user = "from jobs.legacy_loop import EACH\nprint(EACH)\n"
    found = patch({**MIXIN, "jobs/legacy_loop.py": keeps, "jobs/user.py": user})
    assert not found.refused
    left = next(one.after for one in found.files if one.file == "jobs/legacy_loop.py")
    assert left == b"EACH = 5\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"# -*- coding: latin-1 -*-\r\nname = '\xe9'\r\nasync def f():\r\n\tfirst()   # \xe9\r\n"
        b"\tawait agent.start_scheduler()\r\n\tlast( )\r\n",
        b"\xef\xbb\xbfasync def f():\n  first( 1,2 )\n  await agent.start_scheduler()\n\n  last()",
    ],
    ids=["latin-1 and CRLF", "byte order mark and no last newline"],
)
def test_bytes_elsewhere_are_untouched(raw: bytes) -> None:
    found = patch_of({**README, "app.py": raw}, Options())
    (change,) = found.files
    line = next(one for one in raw.splitlines(keepends=True) if b"start_scheduler" in one)
    assert change.after == raw.replace(line, b"")


def refusals(files: dict[str, str]) -> list[str]:
    found = patch(files)
    assert not found.empty or found.refusals
    return [str(one) for one in (*found.refusals, *found.test_refusals)]


OWN = """\
class CronScheduler:
    def __init__(self):
        self.running = False
    async def start(self):
        self.running = True
    async def _check_and_execute_jobs(self):
        work()
"""


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"a.py": "def f(:\n"}, "a.py:"),
        ({"a.py": b"x = '\xe9'\n".decode("latin-1") + "# \n", "b.py": "x = (\n"}, "b.py:"),
        ({"a.py": OWN + "    async def run_tick(self):\n"
                        "        await self._check_and_execute_jobs()\n"}, "a.py:9"),
        ({"a.py": OWN, "b.py": "from a import CronScheduler\ns = CronScheduler()\n"
                               "print(s.running)\n"}, "b.py:3"),
        ({"a.py": "import asyncio\nasyncio.run(agent.start_scheduler())\n"}, "a.py:2"),
        ({"a.py": "async def start_scheduler(self):\n    await self.scheduler.start()\n"
                  "    await self.load_jobs()\n"}, "a.py:"),
        ({"a.py": "async def f():\n    task = create_task(agent.start_scheduler())\n"
                  "    watch(task)\n"}, "a.py:3"),
        ({"a.py": OWN + "def f(s: CronScheduler):\n    s = thread()\n    s.start()\n"}, "a.py:10"),
        ({"a.py": OWN + "async def f():\n    await gather(CronScheduler().start(), serve())\n"},
         "a.py:9"),
        ({"a.py": "from b import start_scheduler as begin\nbegin()\n"}, "a.py:1"),
        ({"a.py": OWN + "s = CronScheduler()\ns = Server()\ns.start()\n"}, "a.py:10"),
        ({"a.py": OWN, "tests/test_a.py": "from a import CronScheduler\n\n"
                                          "def test_it():\n    CronScheduler().start()\n"},
         "tests/test_a.py:4"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_out_is_refused_with_its_place(
    files: dict[str, str], where: str
) -> None:
    assert any(one.startswith(where) for one in refusals(files)), refusals(files)


def test_tests_that_also_tick_are_never_removed() -> None:
    test = (
        "from a import CronScheduler\n\ndef test_both():\n    s = CronScheduler()\n"
        "    s.start()\n    s.run_tick()\n\ndef test_loop():\n    CronScheduler().start()\n"
    )
    found = patch({"a.py": OWN, "tests/test_a.py": test}, Options(tests=LoopTests.remove))
    assert [one.line for one in found.test_refusals] == [5]


def test_access_by_name_is_a_warning() -> None:
    found = patch({"a.py": OWN, "b.py": 'getattr(thing, "start")()\nrun("a:start_scheduler")\n'})
    assert [(one.file, one.line) for one in found.warnings] == [("b.py", 1), ("b.py", 2)]
    assert not found.refused


def test_json_storage_is_kept_unless_it_is_to_go() -> None:
    files = {
        "a.py": "import os\nkind = os.getenv('SCHEDULER_STORAGE', \"json\")\nother = 'json'\n",
        ".env.example": "SCHEDULER_STORAGE=json\r\nOTHER=json\r\n",
    }
    assert patch(files).empty
    found = patch(files, Options(json_storage=JsonStorage.remove))
    changed = {one.file: one.after for one in found.files}
    assert b"'SCHEDULER_STORAGE', \"firestore\")\nother = 'json'" in (changed["a.py"] or b"")
    assert changed[".env.example"] == b"SCHEDULER_STORAGE=firestore\r\nOTHER=json\r\n"
    assert all(one.file in changed for one in found.removed)
