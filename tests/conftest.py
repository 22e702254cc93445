"""Fixtures of the whole suite: servers that are real, and databases that are fresh.

A server that cannot start fails the run: a green run that skipped it would be a lie.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import TestServer, named_servers, running


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The embedded PostgreSQL: its newest version, roles `monitor` and `nobody_role`."""
    with running() as found:
        yield found


@pytest.fixture
def database(server: TestServer) -> Iterator[str]:
    """The connection string of a fresh, empty database on `server`, as the superuser."""
    with server.database() as name:
        yield server.dsn(name)


@pytest.fixture(scope="session", params=named_servers())
def any_server(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """One after another every server that PGTOP_TEST_SERVERS names."""
    if request.param == "embedded":
        yield request.getfixturevalue("server")
        return
    with running(request.param) as found:
        yield found


@pytest.fixture
def any_database(any_server: TestServer) -> Iterator[str]:
    """The connection string of a fresh, empty database on `any_server`, as the superuser."""
    with any_server.database() as name:
        yield any_server.dsn(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses `any_server` belongs to the matrix."""
    for item in items:
        if "any_server" in getattr(item, "fixturenames", ()):
            item.add_marker("matrix")
