"""What is said when the connection is another one, or the server behind it."""

from dataclasses import replace
from typing import Any

import pytest

from pgtop.model.sample import Sample
from pgtop.model.server import Link, Server
from pgtop.ui.anew import connected_anew

SERVER = Server("18.4", 180004, "app", "u", False, False, 1_000.0, 1_001.0, 77)
LINK = Link("db1", "5432", True, False, None, None, 50.0)


def board(server: Server, link: Link = LINK) -> dict[type[Any], Any]:
    return {Server: Sample(0.0, (server,)), Link: Sample(0.0, (link,))}


@pytest.mark.parametrize(
    ("server", "link", "said"),
    [
        (SERVER, LINK, ""),
        (replace(SERVER, backend_pid=78), LINK, ""),  # behind a pooler it changes by itself
        (SERVER, replace(LINK, since=60.0), "lost and is open again"),
        (replace(SERVER, started_at=2_000.0), replace(LINK, since=60.0), "was restarted, or"),
        (replace(SERVER, checkpointer_started_at=3_000.0), LINK, "came back from a crash"),
        (replace(SERVER, in_recovery=True), LINK, "a standby now"),
        (replace(SERVER, database="other"), replace(LINK, since=60.0), ""),
    ],
)
def test_one_sentence_where_something_took_its_place(server: Server, link: Link, said: str) -> None:
    found = connected_anew(board(SERVER), board(server, link))
    assert said in found
    assert bool(found) == bool(said)


def test_the_first_reading_is_no_change() -> None:
    assert connected_anew({}, board(SERVER)) == ""
