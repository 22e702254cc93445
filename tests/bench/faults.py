"""What whoever looks at pgtop sees of a fault, for how long, and what it leaves on the server.

`python -m tests.bench.faults [WORDS …]` (only faults and exits whose name holds one of them);
some four minutes. A line for each fault: what the screen said and after how many seconds, the
slowest of the keys meanwhile, the seconds from the fault's end until readings come again, and
pgtop's sessions on the server then (1: its own). A line for each way out: its seconds, its
status, whether the terminal's own screen came back, and the sessions that are left.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
import psycopg

from tests.lag import Link, link
from tests.servers import Standby, TestServer, running, standby
from tests.terminal.program import LEFT, Program

READS = "every 2 s"
"""What the header says while readings come."""

SEEN_S = 20.0
KEYS = ((b"m", "by mean time"), (b"t", "by total time"))

SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgtop'"


@dataclass(frozen=True)
class Scene:
    """What a fault is made with."""

    server: TestServer
    follower: Standby
    line: Link
    stack: ExitStack
    """Ends the fault."""

    def sessions(self, of: TestServer | None = None) -> list[int]:
        with (of or self.server).connect() as conn:
            return [int(pid) for (pid,) in conn.execute(SESSIONS).fetchall()]

    def stop(self, pids: list[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            self.stack.callback(os.kill, pid, signal.SIGCONT)


def restart(scene: Scene) -> None:
    scene.server.server.restart()


def down(scene: Scene) -> None:
    scene.server.server.stop()
    scene.stack.callback(scene.server.server.start)


def fail_over(scene: Scene) -> None:
    scene.line.target = scene.follower.port
    scene.line.reset()


def terminate(scene: Scene) -> None:
    scene.server.execute(*(f"SELECT pg_terminate_backend({pid})" for pid in scene.sessions()))


def reset_statistics(scene: Scene) -> None:
    scene.server.execute("SELECT pg_stat_statements_reset()", "SELECT pg_stat_reset()")


def freeze(scene: Scene) -> None:
    scene.line.freeze()
    scene.stack.callback(scene.line.thaw)


def slow(scene: Scene) -> None:
    scene.line.delay_s = 1.5
    scene.stack.callback(setattr, scene.line, "delay_s", 0.0)


def no_slot(scene: Scene) -> None:
    """Everyone else connects while our session ends."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            scene.stack.enter_context(scene.server.connect(user="nobody_role"))
        except psycopg.OperationalError:  # all places are taken, one of them by us
            if not scene.sessions():
                return
            terminate(scene)


def lock_catalogue(scene: Scene) -> None:
    """What the Queries tab names its rows with."""
    holder = scene.stack.enter_context(scene.server.connect())
    holder.execute("BEGIN")
    holder.execute("LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE")


def stop_backend(scene: Scene) -> None:
    scene.stop(scene.sessions())


def stop_server(scene: Scene) -> None:
    parent = psutil.Process(scene.server.server.pid)
    scene.stop([parent.pid, *(child.pid for child in parent.children())])


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[Scene], None]
    says: str
    """A pattern of what the screen says of it."""

    lasts_s: float = 0.0
    """After it was said, before the fault is taken back."""


LOST = r"(?m)connection lost.*?(?=  |$)|the (server|connection) was .*?(?=  |$)"
FROZEN = r"(?m)(no answer for [5-9] s|the link is frozen|no answer in time).*?(?=  |$)"

FAULTS = (
    Fault("server restarted", restart, LOST),
    Fault(
        "server down for 20 s",
        down,
        r"(?m)nothing listens at .*?(?=  |$)",
        20.0,
    ),
    Fault("our backend terminated", terminate, LOST),
    Fault("link reset", lambda scene: scene.line.reset(), LOST),
    Fault("link frozen", freeze, FROZEN, 3.0),
    Fault("link slow, 3 s a round trip", slow, r"no answer for .*? old|data \d+ s old", 3.0),
    Fault("no free slot", no_slot, r"(?m)no free connection slot.*?(?=  |$)", 2.0),
    Fault("catalogue locked", lock_catalogue, r"(?m)vital signs: .*?(?=  |$)", 3.0),
    Fault("our backend stopped", stop_backend, FROZEN, 3.0),
    Fault("whole server stopped", stop_server, FROZEN, 3.0),
    Fault(
        "statistics reset", reset_statistics, r"since reset [0-9.]+ s ago, the base is older", 1.0
    ),
    Fault("fail-over to a standby", fail_over, r"this is a standby now.*?(?=  |$)"),
)


@contextmanager
def stage() -> Iterator[tuple[TestServer, Standby]]:
    options = {"max_connections": "14", "superuser_reserved_connections": "3"}
    with running(options=options) as server, standby(server, {"max_connections": "14"}) as follower:
        yield server, follower


@contextmanager
def opened(words: list[str]) -> Iterator[Program]:
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": os.environ["PATH"], "TERM": "xterm-256color",
               "LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
        program = Program(words, env)
        try:
            program.open_queries()
            program.see(READS)
            yield program
        finally:
            try:
                os.kill(program.pid, signal.SIGKILL)
                os.waitpid(program.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def command(port: int) -> list[str]:
    dsn = f"host=127.0.0.1 port={port} user=monitor dbname=postgres"
    return [sys.executable, "-m", "pgtop", dsn]


def sees(program: Program, pattern: str, limit_s: float) -> tuple[str, float] | None:
    """(the words, seconds until they came)."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < limit_s:
        if found := re.search(pattern, program.shown()):
            return " ".join(found.group().split()), passed
        time.sleep(0.02)
    return None


def slowest_key(program: Program) -> float:
    """Milliseconds until a key is seen, the slowest of six."""
    found = 0.0
    for key, words in KEYS * 3:
        began = time.monotonic()
        program.type(key)
        program.see(words, 30)
        found = max(found, time.monotonic() - began)
    return found * 1_000


def goes_on(program: Program, since: float) -> float:
    """Seconds until readings come, and keep coming for a while."""
    calm = since
    while time.monotonic() - since < 60:
        if READS not in (shown := program.shown()) or "has locked" in shown:
            calm = time.monotonic()
        elif time.monotonic() - calm > 2.5:
            return calm - since
        time.sleep(0.02)
    return float("inf")


def left(scene: Scene, of: TestServer) -> int:
    """pgtop's sessions after ten seconds' grace at most."""
    for _ in range(100):
        if len(scene.sessions(of)) <= 1:
            break
        time.sleep(0.1)
    return len(scene.sessions(of))


def suffer(fault: Fault, server: TestServer, follower: Standby) -> None:
    direct = fault.begin is down  # a relay would take the connection all the same
    with (
        link(server.port) as line,
        opened(command(server.port if direct else line.port)) as program,
    ):
        with ExitStack() as stack:
            scene = Scene(server, follower, line, stack)
            began = time.monotonic()
            fault.begin(scene)
            took = time.monotonic() - began
            said = sees(program, fault.says, SEEN_S)
            if said is None:
                print(program.shown(), file=sys.stderr)
            key = slowest_key(program)
            time.sleep(fault.lasts_s)
            ended = time.monotonic()
        back = goes_on(program, ended)
        of = follower if line.target == follower.port else server
        words, after = said if said else ("NOTHING WAS SAID", float("nan"))
        print(f"| {fault.name} | {words[:110]} | {took + after:.1f} | {key:.0f} |"
              f" {back:.1f} | {left(scene, of)} |", flush=True)  # fmt: skip


def key_of(text: bytes) -> Callable[[Program], None]:
    return lambda program: program.type(text)


def signal_of(number: int) -> Callable[[Program], None]:
    return lambda program: os.kill(program.pid, number)


def deaf(program: Program) -> None:
    """A stalled ssh: what is drawn waits."""
    program.listening = False
    time.sleep(0.3)
    for _ in range(40):
        program.type(b"m\x1b[B\x1b[Bt?\x1b")
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGTERM)


WAYS: tuple[tuple[str, Callable[[Program], None]], ...] = (
    ("q", key_of(b"q")),
    ("ctrl+c", key_of(b"\x03")),
    ("SIGTERM", signal_of(signal.SIGTERM)),
    ("SIGHUP", signal_of(signal.SIGHUP)),
    ("terminal closed", Program.hang_up),
    ("terminal takes nothing, SIGTERM", deaf),
    ("kill -9", signal_of(signal.SIGKILL)),
)

IGNORING = (
    "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
    " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def leave(name: str, way: Callable[[Program], None], server: TestServer, words: list[str]) -> None:
    with opened(words) as program:
        began = time.monotonic()
        way(program)
        began = began if way is not deaf else time.monotonic()
        status, _ = program.ended(5)
        took = time.monotonic() - began
        restored = "yes" if LEFT in program.arrived else "no"
        remaining = -1
        for _ in range(50):
            with server.connect() as conn:
                remaining = len(conn.execute(SESSIONS).fetchall())
            if not remaining:
                break
            time.sleep(0.1)
        print(f"| {name} | {took:.2f} | {status} | {restored} | {remaining} |", flush=True)


def main(words: list[str]) -> None:
    def asked(name: str) -> bool:
        return not words or any(word in name for word in words)

    with stage() as (server, follower):
        print("| Fault | What the user sees | after s | slowest key ms | goes on after s |"
              " sessions |\n|---|---|---:|---:|---:|---:|")  # fmt: skip
        for fault in FAULTS:
            if asked(fault.name):
                suffer(fault, server, follower)
        print(
            "\n| Way out | s | status | screen restored | sessions left |\n|---|---:|---:|---|---:|"
        )
        for name, way in WAYS:
            if asked(name):
                leave(name, way, server, command(server.port))
        if asked("terminal closed, SIGHUP ignored"):
            nohup = [sys.executable, "-c", IGNORING, *command(server.port)[1:]]
            leave("terminal closed, SIGHUP ignored", Program.hang_up, server, nohup)


if __name__ == "__main__":
    main(sys.argv[1:])
