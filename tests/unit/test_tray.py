"""The tray: what it keeps and how it comes back; locks and states in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pgtop.analysis.applied import applied
from pgtop.analysis.ddl_parts import understood
from pgtop.analysis.table_locks import MODES, conflict, mode_of, outlook
from pgtop.model.finding import Finding, Remedy, Subject
from pgtop.model.tray import Entry, Holder, Locks, TargetState, Tray, entry_of, from_plain, plain
from pgtop.state import tray as kept


def entry(sql: str = "DROP INDEX CONCURRENTLY public.i;", **changes: object) -> Entry:
    finding = Finding(
        rule="index.unused", severity="notice", subject=Subject("index", "i\x1b", "public", "t"),
        title="never read", why="0 scans in 41 d", evidence={"size_bytes": 81920, "scans": 0},
        remedy=Remedy((sql,), ("CREATE INDEX CONCURRENTLY i ON public.t (a);",), False,
                      "SHARE UPDATE EXCLUSIVE"),
    )  # fmt: skip
    made = entry_of(finding, server="db1:5432/shop", version="18.4", at=1_760_000_000.0)
    assert made is not None
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_finding_without_remedy_is_no_entry() -> None:
    finding = Finding("locks.blocking", "warning", Subject("session", "1"), "t", "w")
    assert entry_of(finding, server="s", version="18", at=0.0) is None


def test_the_same_statements_are_one_entry_with_the_newer_reason() -> None:
    tray = Tray("s").with_entry(entry(before={"x": "oid:1"})).with_entry(entry("ANALYZE public.t;"))
    tray = tray.with_entry(entry(why="0 scans in 42 d", added_at=2.0))
    assert [e.why for e in tray.entries] == ["0 scans in 42 d", "0 scans in 41 d"]
    assert tray.entries[0].added_at == 1_760_000_000.0
    assert tray.entries[0].before == {"x": "oid:1"}
    assert tray.without(tray.entries[0].key).entries == tray.entries[1:]


def test_entries_come_back_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTOP_STATE", str(tmp_path / "state"))
    one = entry()
    written = kept.save("db1:5432/shop", [plain(one)])
    assert b"\x1b" not in written.path.read_bytes()
    assert [from_plain(values) for values in kept.load("db1:5432/shop")] == [one]
    assert kept.load("db2:5432/shop") == []
    text = written.path.read_text()
    written.path.write_text(text[:-5])
    with pytest.raises(kept.UnreadableTray, match="damaged"):
        kept.load("db1:5432/shop")
    written.path.write_text(text.replace("db1:5432", "db9:5432"))
    with pytest.raises(kept.UnreadableTray, match="another server"):
        kept.load("db1:5432/shop")
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_plain({"remedy": {"sql": "DROP", "undo": []}})


def test_conflicts_are_symmetric_and_as_documented() -> None:
    for one in MODES:
        for other in MODES:
            assert conflict(one, other) == conflict(other, one)
    assert sum(conflict("AccessExclusiveLock", mode) for mode in MODES) == 8
    assert [m for m in MODES if conflict("ShareUpdateExclusiveLock", m)] == list(MODES[3:])
    assert [m for m in MODES if conflict("ShareLock", m)] == [MODES[2], MODES[3], *MODES[5:]]
    assert conflict("SomethingNewLock", MODES[0])


@pytest.mark.parametrize(
    ("sql", "mode"),
    [
        ("CREATE INDEX i ON s.t (a)", "ShareLock"),
        ("CREATE INDEX CONCURRENTLY i ON s.t (a)", "ShareUpdateExclusiveLock"),
        ("DROP INDEX s.i", "AccessExclusiveLock"),
        ("ALTER INDEX s.i ATTACH PARTITION s.j", "AccessExclusiveLock"),
    ],
)
def test_locks_of_statements(sql: str, mode: str) -> None:
    assert mode_of(understood(sql), "ACCESS EXCLUSIVE") == mode


def test_a_waiter_is_in_front_and_everything_queues_behind_access_exclusive() -> None:
    waiter = Holder(7, "AccessExclusiveLock", False, 3.0, "active", "deploy@migrate")
    found = outlook(understood("DROP INDEX s.i"), Locks(True, (waiter,)), "ACCESS EXCLUSIVE")
    assert (found.state, found.text) == ("waits", "behind pid 7")
    assert found.detail[-1] == (
        "while it waits, reads and writes and vacuum and other DDL queue behind it"
    )


def test_unknown_is_said() -> None:
    create = understood("CREATE INDEX CONCURRENTLY i ON s.t (a)")
    assert outlook(create, None, "SHARE UPDATE EXCLUSIVE").state == "unknown"
    assert applied(create, None, before=None, added_at=0).state == "unknown"
    rebuilt = understood("REINDEX INDEX CONCURRENTLY s.i")
    exists = TargetState(exists=True, oid=5, valid=True)
    assert applied(rebuilt, exists, before=None, added_at=0).state == "unknown"
    dropped = understood("DROP INDEX CONCURRENTLY s.i")
    invalid = TargetState(exists=True, oid=5, valid=False)
    assert applied(dropped, invalid, before="oid:5:valid", added_at=0).state == "failed"
    assert applied(dropped, invalid, before="oid:5", added_at=0).state == "no"
