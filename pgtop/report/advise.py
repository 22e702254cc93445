"""Index advice as JSON, a contract with scripts, and as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgtop.analysis import units
from pgtop.model.advice import Advice, Advised, Said
from pgtop.terminal.safe import safe

SCHEMA = 1


def as_json(advice: Advice) -> dict[str, Any]:
    """Keys carry their units; what nobody verified has no cost after it."""
    return {
        "schema": SCHEMA,
        "seconds": round(advice.seconds, 3),
        "verified_by": advice.verified_by,
        "why_not_verified": advice.why_not_verified,
        "complete": advice.complete,
        "plans_asked": advice.questions,
        "cost_before": round(advice.cost_before, 2),
        "cost_after": round(advice.cost_after, 2) if advice.verified_by == "hypopg" else None,
        "indexes": [_index(each) for each in advice.indexes],
        "superfluous": [
            {
                "index": f"{each.finding.subject.schema}.{each.index.name}",
                "by": each.by,
                "size_bytes": each.index.bytes,
                "sql": "\n".join(each.finding.remedy.sql) if each.finding.remedy else None,
                "undo": "\n".join(each.finding.remedy.undo) if each.finding.remedy else None,
            }
            for each in advice.superfluous
        ],
        "queries": [
            {
                "query": gain.statement,
                "cost_before": round(gain.cost_before, 2),
                "cost_after": round(gain.cost_after, 2),
            }
            for gain in advice.statements
        ],
        "not_handled": [_said(each) for each in advice.not_handled],
        "notes": [_said(each) for each in advice.notes],
    }


def _index(each: Advised) -> dict[str, Any]:
    remedy = each.finding.remedy
    return {
        "sql": "\n".join(remedy.sql) if remedy else None,
        "undo": "\n".join(remedy.undo) if remedy else None,
        "table": f"{each.table.schema}.{each.table.name}",
        "size_bytes": each.size_bytes,
        "cost_before": round(each.cost_before, 2),
        "cost_after": round(each.cost_after, 2),
        "verified": each.verified,
        "queries": [gain.statement for gain in each.gains],
        "saves_ms_per_s": each.finding.cost.ms_per_s,
        "why": each.finding.why,
        "caution": remedy.caution if remedy else None,
        "no_remedy": each.finding.no_remedy,
    }


def _said(each: Said) -> dict[str, str]:
    return {"query": each.statement, "why": each.why}


def as_text(advice: Advice) -> str:
    """For a person; every text of the server is made harmless."""
    return "\n".join(_lines(advice)) + "\n"


def _lines(advice: Advice) -> Iterator[str]:
    planned = units.plural(len(advice.statements), "statement")
    yield (
        f"{planned} planned, {units.plural(len(advice.indexes), 'index', 'indexes')} worth having;"
        f" {units.plural(advice.questions, 'plan')} asked with pretended indexes, in"
        f" {units.seconds(advice.seconds)}, nothing was run or built"
    )
    if advice.verified_by == "hypopg":
        yield "prices are the planner's, with the indexes pretended by HypoPG"
    else:
        yield safe(f"! not verified: {advice.why_not_verified}; prices are our own arithmetic")
    if not advice.complete:
        yield "! time ran out: this is the best found until then (--seconds gives it more)"
    if advice.indexes:
        size = sum(each.size_bytes for each in advice.indexes)
        yield (
            f"cost of all statements, each once: {advice.cost_before:,.2f} →"
            f" {advice.cost_after:,.2f}; about {units.size(size)} of indexes"
        )
    for number, each in enumerate(advice.indexes, 1):
        yield ""
        yield from _advised(number, each)
    for each_gone in advice.superfluous:
        yield ""
        yield safe(f"superfluous then: {each_gone.finding.title}. {each_gone.finding.why}")
        for sql in each_gone.finding.remedy.sql if each_gone.finding.remedy else ():
            yield "   " + safe(sql)
    yield from _listed("could not be planned", advice.not_handled)
    yield from _listed("what no index does", advice.notes)


def _advised(number: int, each: Advised) -> Iterator[str]:
    finding = each.finding
    mark = "" if each.verified else "  not verified"
    yield safe(
        f"{number}. {each.table.schema}.{each.table.name} {each.index.words}"
        f"  ≈ {units.size(each.size_bytes)}{mark}"
    )
    yield "   " + safe(f"{finding.why}")
    if finding.remedy is None:
        yield "   " + safe(f"{finding.no_remedy}")
        return
    if finding.remedy.caution:
        yield "   " + safe(f"caution: {finding.remedy.caution}")
    yield from ("   " + safe(sql) for sql in finding.remedy.sql)
    yield from ("   undo: " + safe(sql) for sql in finding.remedy.undo)


def _listed(head: str, said: tuple[Said, ...]) -> Iterator[str]:
    if said:
        yield ""
        yield f"{head}:"
        for each in said:
            begins = f" {each.text} …" if each.text else ""
            yield "   " + safe(f"{each.statement}{begins}: {each.why}")
