"""The whole program in a real terminal on a real server: what is seen, and every way out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lag import link
from tests.servers import TestServer
from tests.terminal.outer import until
from tests.terminal.program import LEFT, Program


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": "default",
    }


def command(dsn: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "pgtop", *options, dsn]


@pytest.fixture
def program(server: TestServer, env: dict[str, str]) -> Iterator[Program]:
    """pgtop on the embedded server, its first rows on screen."""
    # what other tests left would push the statement that is waited for off the screen
    server.execute("SELECT pg_stat_statements_reset()", "CREATE EXTENSION IF NOT EXISTS plpgsql")
    started = Program(command(server.dsn(user="monitor")), env)
    started.open_queries()
    started.see(" statements")
    yield started
    try:
        os.kill(started.pid, signal.SIGKILL)
        os.waitpid(started.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def own_sessions(server: TestServer) -> int:
    """pgtop's sessions that are still on the server after a moment's grace."""
    found = 1
    for _ in range(30):
        with server.connect() as conn:
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop'"
            ).fetchone()
        found = row[0] if row else 0
        if not found:
            break
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("key", [b"q", b"\x03", b"\x11"], ids=["q", "ctrl+c", "ctrl+q"])
def test_a_key_quits(program: Program, server: TestServer, key: bytes) -> None:
    program.type(key)
    status, seconds = program.ended()
    assert (status, seconds < 2) == (0, True)
    assert LEFT in program.arrived
    assert own_sessions(server) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_it_and_the_terminal_is_restored(
    program: Program, server: TestServer, number: signal.Signals
) -> None:
    os.kill(program.pid, number)
    status, seconds = program.ended()
    assert (status, seconds < 2) == (128 + number, True)
    assert LEFT in program.arrived
    assert own_sessions(server) == 0


def test_a_closed_terminal_ends_it(program: Program, server: TestServer) -> None:
    program.hang_up()
    status, seconds = program.ended()
    assert (status, seconds < 2) == (129, True)
    assert own_sessions(server) == 0


def test_a_closed_terminal_without_sighup_ends_it(server: TestServer, env: dict[str, str]) -> None:
    """nohup, some sudo: the end of file is all there is."""
    ignoring = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
    run = f"{ignoring} os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    words = command(server.dsn(user="monitor"))[1:]
    program = Program([sys.executable, "-c", run, *words], env)
    program.open_queries()
    program.hang_up()
    status, seconds = program.ended(4)
    assert (status, seconds < 2.5) == (129, True)
    assert own_sessions(server) == 0


STUCK = (
    "import sys, time\n"
    "import pgtop.ui.app as ui\n"
    "async def stuck(self):\n"
    "    time.sleep(30)\n"
    "ui.PgtopApp._shutdown = stuck\n"
    "from pgtop.cli.main import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)


@pytest.mark.parametrize("way", [b"q", signal.SIGTERM], ids=["q", "SIGTERM"])
def test_what_hangs_while_it_ends_is_left_behind(
    server: TestServer, env: dict[str, str], way: bytes | signal.Signals
) -> None:
    """As tidy as it can be made from outside: the user's screen, echo and line mode."""
    words = [sys.executable, "-c", STUCK, server.dsn(user="monitor")]
    program = Program(words, env)
    before = termios.tcgetattr(program._fd)
    program.open_queries()
    assert termios.tcgetattr(program._fd) != before
    if isinstance(way, bytes):
        program.type(way)
    else:
        os.kill(program.pid, way)
    status, seconds = program.ended()
    assert (status, seconds < 2.3) == (0 if way == b"q" else 143, True)
    assert LEFT in program.arrived
    assert termios.tcgetattr(program._fd) == before
    assert own_sessions(server) == 0


def test_a_terminal_that_takes_nothing_does_not_hold_it(
    program: Program, server: TestServer
) -> None:
    """A stalled ssh, a stopped tmux client: what is drawn waits, and so does the loop."""
    program.listening = False
    time.sleep(0.3)
    for _ in range(40):
        program.type(b"m\x1b[B\x1b[Bt?\x1b")
        time.sleep(0.05)
    os.kill(program.pid, signal.SIGTERM)
    status, seconds = program.ended()
    assert (status, seconds < 2.3) == (143, True)
    assert own_sessions(server) == 0


def test_killed_hard_it_leaves_nothing_on_the_server(program: Program, server: TestServer) -> None:
    os.kill(program.pid, signal.SIGKILL)
    program.ended()
    assert own_sessions(server) == 0


def test_ctrl_z_and_back(program: Program) -> None:
    program.type(b"\x1a")
    until(lambda: LEFT in program.arrived)
    seen = len(program.arrived)
    os.kill(program.pid, signal.SIGCONT)
    until(lambda: b"\x1b[?1049h" in program.arrived[seen:])
    program.type(b"m")
    program.see("by mean time")


def test_keys_answer_while_the_server_is_stopped(program: Program, server: TestServer) -> None:
    with server.connect() as conn:
        pid = conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgtop'"
        ).fetchone()
    assert pid is not None
    os.kill(pid[0], signal.SIGSTOP)
    try:
        program.see("no answer for", 6)
        started = time.monotonic()
        program.type(b"m")
        program.see("by mean time", 1)
        assert time.monotonic() - started < 1
        program.type(b"q")
        _, seconds = program.ended()
        assert seconds < 2
    finally:
        os.kill(pid[0], signal.SIGCONT)


def test_a_lost_session_comes_back(program: Program, server: TestServer) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgtop'"
    )
    program.see("the connection was lost and is open again")
    assert "‼ connection lost" not in program.shown()
    program.type(b"m")
    program.see("by mean time")
    program.type(b"q")
    assert program.ended()[0] == 0


def test_a_defect_is_reported_without_what_it_held(server: TestServer, env: dict[str, str]) -> None:
    broken = (
        "import sys\n"
        "import pgtop.ui.app as ui\n"
        "def paint(self):\n"
        "    secret = 'hunter2'\n"
        "    raise RuntimeError('broken on purpose ' + secret[:0])\n"
        "ui.PgtopApp.paint = paint\n"
        "from pgtop.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    dsn = server.dsn(user="monitor") + " password=hunter2"
    program = Program([sys.executable, "-c", broken, dsn], env)
    status, _ = program.ended(10)
    assert status == 70
    assert LEFT in program.arrived
    text = program.arrived.decode(errors="replace")
    assert "hunter2" not in text
    assert "Traceback" not in text
    (report,) = Path(env["HOME"]).rglob("*crash*/*")
    assert report.stat().st_mode & 0o777 == 0o600
    assert "hunter2" not in report.read_text()
    assert "RuntimeError" in report.read_text()
    assert own_sessions(server) == 0


@pytest.mark.parametrize(
    ("changes", "words", "status"),
    [
        ({"TERM": "dumb"}, "cannot show a screen", 2),
        ({}, "nothing listens at", 3),
        ({"PGTOP_INTERVAL": "soon"}, "is no number", 2),
    ],
)
def test_what_cannot_be_is_one_sentence(
    env: dict[str, str], changes: dict[str, str], words: str, status: int
) -> None:
    program = Program(command("host=127.0.0.1 port=1 user=x"), {**env, **changes})
    assert program.ended(8)[0] == status
    assert words in program.arrived.decode()
    assert "Traceback" not in program.arrived.decode()


def test_a_link_that_does_not_answer_is_said_to_be_tried(
    server: TestServer, env: dict[str, str]
) -> None:
    with link(server.port) as line:
        line.freeze()
        program = Program(command(f"host=127.0.0.1 port={line.port} user=monitor"), env)
        until(lambda: b"connecting to 127.0.0.1" in program.arrived, 4)
        program.type(b"\x03")
        assert program.ended()[0] == 130


def test_an_unknown_theme_names_those_there_are(server: TestServer, env: dict[str, str]) -> None:
    program = Program(command(server.dsn(user="monitor"), "--theme", "nonsense"), env)
    assert program.ended(8)[0] == 2
    assert "there is no theme 'nonsense'" in program.arrived.decode()


def test_without_a_terminal_it_names_the_report(server: TestServer, env: dict[str, str]) -> None:
    run = subprocess.run(
        command(server.dsn()), env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert run.returncode == 2
    assert b"pgtop report" in run.stderr


def test_version_imports_nothing_heavy(env: dict[str, str]) -> None:
    look = (
        "import sys; from pgtop.cli.main import main; status = main(['--version'])\n"
        "heavy = {'textual', 'psycopg', 'rich', 'platformdirs', 'pyperclip'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    run = subprocess.run([sys.executable, "-c", look], env=env, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.startswith(b"pgtop 0.")


def test_a_wrong_uri_never_shows_the_password(env: dict[str, str]) -> None:
    slow = (  # who waits for a name server is told so: not with the password's end as the host
        "import sys; from pgtop.cli import screen; screen.SLOW_S = 0.0;"
        " from pgtop.cli.main import main; sys.exit(main())"
    )
    told = Program([sys.executable, "-c", slow, "postgresql://u:hunt@er2/x@127.0.0.1:1/db"], env)
    assert told.ended(10)[0] == 3
    assert b"connecting \xe2\x80\xa6" in told.arrived
    assert b"er2" not in told.arrived
    for uri in (
        "postgresql://u:hunt@er2/x@127.0.0.1:1/db",
        "postgresql://u:hunter2@127.0.0.1:1/db?nonsense=1",
        "host=127.0.0.1 port=1 password=hunter2 nonsense",
    ):
        program = Program(command(uri), env)
        assert program.ended(10)[0] in (2, 3)
        text = program.arrived.decode()
        assert "hunter2" not in text
        assert "er2" not in text


def test_a_terminal_of_latin_1_gets_ascii(server: TestServer, env: dict[str, str]) -> None:
    program = Program(command(server.dsn(user="monitor")), {**env, "PYTHONIOENCODING": "latin-1"})
    program.open_queries()
    program.see("by total time v")
    program.arrived.decode("ascii")
    program.type(b"q")
    program.ended()
