"""One change that breaks each promise, and the test that notices.

`python -m tests.bench.mutations`; some five minutes. Each change is made in a copy of the
checkout, where the tests named beside it must fail: one that survives has a test that proves
nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutation(NamedTuple):
    """What is broken, where, how, and who must notice."""

    promise: str
    file: str
    old: str
    new: str
    tests: str


MUTATIONS = (
    Mutation("one undecodable text costs one cell", "pgtop/db/connection.py",
             '.decode("utf-8", "backslashreplace")', '.decode("utf-8")',
             "tests/db/test_collector.py tests/db/test_matrix.py -k encoding"),
    Mutation("own statements are marked", "pgtop/db/queries/server.py",
             "SELECT /* pgtop */ oid::int8, rolname", "SELECT oid::int8, rolname",
             "tests/unit/test_query.py"),
    Mutation("controls become pictures", "pgtop/terminal/safe.py",
             "    if code in _PICTURES:", "    if code in ():", "tests/unit/test_safe.py"),
    Mutation("server text cannot draw", "pgtop/terminal/safe.py",
             "    if text.isprintable() and (not ascii_only or text.isascii()):\n",
             "    if True:\n",
             "tests/ui/test_queries_pane.py tests/unit/test_safe.py"),
    Mutation("durations sort as numbers", "pgtop/analysis/workload.py",
             "reverse=descending", "reverse=not descending",
             "tests/unit/test_workload.py tests/ui/test_queries_pane.py"),
    Mutation("columns by what the server has", "pgtop/db/queries/statements.py",
             '("total_exec_time", "total_time")', '("total_time",)',
             "tests/db/test_collector.py::test_statements_on_every_extension_version_and_schema"),
    Mutation("a refused query costs its own rows", "pgtop/db/collector.py",
             "pending = pending[len(answer.rows) + 1 :]", "pending = []",
             "tests/db/test_collector.py -k fails_on_the_server_costs_only_itself"),
    Mutation("the GRANT that helps", "pgtop/db/errors.py", "GRANT ", "GRAND ",
             "tests/db/test_matrix.py::test_what_is_advised_makes_it_readable"),
    Mutation("hidden is not none", "pgtop/analysis/workload.py",
             "                hidden += 1\n", "                pass\n",
             "tests/db/test_collector.py::test_without_rights_rows_are_hidden_not_missing"
             " tests/unit/test_workload.py tests/ui/test_queries_pane.py"),
    Mutation("what is refused is not asked again", "pgtop/db/collector.py",
             "if refused is not None and time.monotonic() < until:", "if False:",
             "tests/db/test_collector.py::test_what_is_refused_is_not_asked_again"),
    Mutation("texts are not read with every tick", "pgtop/db/queries/statements.py",
             "FROM {pg_stat_statements}(false)", "FROM {pg_stat_statements}(true)",
             "tests/db/test_collector.py::test_steady_state_writes_no_temporary_block"),
    Mutation("new texts come rarely", "pgtop/ui/schedule.py",
             "if now - self._texts_at < max(TEXTS_S, TEXTS_COST * self._texts_cost_s):",
             "if False:",
             "tests/ui/test_queries_pane.py::"
             "test_a_statement_that_is_new_gets_its_text_later_and_rarely"),
    Mutation("a slow server gets one question at a time", "pgtop/ui/schedule.py",
             "        await self._guarded(self._source.read(due), due)\n        if self.status",
             "        asyncio.ensure_future(self._guarded(self._source.read(due), due))\n"
             "        await asyncio.sleep(0.01)\n        if self.status",
             "tests/ui/test_queries_pane.py::test_a_slow_server_gets_one_question_at_a_time"),
    Mutation("nothing prepared behind a pooler", "pgtop/db/connection.py",
             "prepare_threshold=None", "prepare_threshold=0",
             "tests/db/test_guarded_reading.py"),
    Mutation("nothing set for the session", "pgtop/db/connection.py",
             "{literal(value)}, true)", "{literal(value)}, false)",
             "tests/db/test_guarded_reading.py"),
    Mutation("read only", "pgtop/db/connection.py",
             '"transaction_read_only": "on"', '"transaction_read_only": "off"',
             "tests/db/test_guarded_reading.py"),
    Mutation("no connection of a pool is kept", "pgtop/db/connection.py",
             "yield from self._fetch_gen(flush=False)", "yield from self._fetch_gen(flush=True)",
             "tests/db/test_guarded_reading.py::test_the_last_word_of_a_reading_is_sync"),
    Mutation("a refresh keeps the reader's row", "pgtop/ui/live_table.py",
             "            self._cursor = self._index_of(old_key, self._cursor)\n",
             "            self._cursor = 0\n",
             "tests/ui/test_queries_pane.py::test_reader_keeps_their_place_when_rows_move"),
    Mutation("a reset is a gap", "pgtop/analysis/workload.py",
             "                gaps += 1\n", "                pass\n",
             "tests/unit/test_workload.py"),
    Mutation("a ring of waiters ends", "pgtop/analysis/blocking.py",
             "            parents[first] = None\n", "            pass\n",
             "tests/unit/test_blocking.py"),
    Mutation("who waits is no root", "pgtop/analysis/blocking.py",
             "    free = [b for b in blockers if b not in waiting]", "    free = blockers",
             "tests/unit/test_blocking.py"),
    Mutation("a prepared transaction by its gid", "pgtop/db/queries/sessions.py",
             "ON t.pid IS NULL AND t.transactionid = x.transaction", "ON false",
             "tests/db/test_locks.py::test_a_prepared_transaction_and_five_hundred_sessions"),
    Mutation("only that session is ended", "pgtop/db/asks/sessions.py",
             "backend_start", "state_change", "tests/db/test_actions.py"),
    Mutation("nothing acts without --allow-actions", "pgtop/ui/panes/activity.py",
             "if not self.frame.config.allow_actions:", "if False:",
             "tests/ui/test_activity_pane.py"),
    Mutation("files are the user's alone", "pgtop/state/files.py",
             "if stat.S_IMODE(info.st_mode) & 0o077:", "if False:",
             "tests/unit/test_state_files.py"),
    Mutation("passwords never leave", "pgtop/db/collector.py",
             "values[position] = mask_passwords(values[position])", "pass",
             "tests/db tests/unit/test_redact.py -k password"),
    Mutation("a copy is read back", "pgtop/terminal/clipboard.py",
             "back.status != 0 or back.out != data", "False",
             "tests/terminal/test_clipboard.py"),
    Mutation("one notice of many is no flood", "pgtop/advice/summary.py",
             "FOLD_FROM = 4", "FOLD_FROM = 400", "tests/unit/test_summary.py"),
    Mutation("healthy only when all was judged", "pgtop/advice/summary.py",
             "    if verdict.needs_time:\n        return", "    if False:\n        return",
             "tests/unit/test_summary.py"),
)  # fmt: skip


def noticed(copy: Path, mutation: Mutation) -> str:
    """What came of it: `noticed`, `survived`, or why it could not be made."""
    file = copy / mutation.file
    if not file.exists():
        return "no such file"
    before = file.read_text(encoding="utf-8")
    if mutation.old not in before:
        return "not applicable: the code has changed"
    file.write_text(before.replace(mutation.old, mutation.new, 1), encoding="utf-8")
    try:
        found = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
             *mutation.tests.split()],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True,
            timeout=300, check=False,
        )  # fmt: skip
    finally:
        file.write_text(before, encoding="utf-8")
    return {0: "SURVIVED", 1: "noticed"}.get(found.returncode, f"pytest ended {found.returncode}")


def main() -> int:
    with tempfile.TemporaryDirectory() as where:
        copy = Path(where) / "copy"
        names = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for name in filter(None, names):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        ends = []
        for mutation in MUTATIONS:
            end = noticed(copy, mutation)
            ends.append(end)
            print(f"{mutation.promise:<44} {end}", flush=True)
    print(f"{ends.count('noticed')} of {len(ends)} noticed")
    return int(ends.count("noticed") != len(ends))


if __name__ == "__main__":
    sys.exit(main())
