"""JUnit XML, which nearly every CI server shows: a suite for each file, a failure for each finding."""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from fixgrad.report.colour import harmless
from fixgrad.report.entry import Entry, Report
from fixgrad.report.full import render as full
from fixgrad.report.physical import printable, region
from fixgrad.source import Problem


def render(report: Report) -> str:
    """Return the report; where nothing is found, a test that passed says so."""
    top = Element("testsuites", name="fixgrad")
    for path, entries in groupby(report.entries, key=lambda entry: entry.finding.span.path):
        suite = SubElement(top, "testsuite", name=_text(path))
        for entry in entries:
            _case(suite, path, entry, report)
        _count(suite)
    if report.problems:
        suite = SubElement(top, "testsuite", name="problems")
        for problem in report.problems:
            _problem(suite, problem)
        _count(suite)
    if not len(top):
        suite = SubElement(top, "testsuite", name="fixgrad")
        SubElement(suite, "testcase", name="nothing found", classname="fixgrad", time="0")
        _count(suite)
    _count(top)
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(top, "unicode")}\n'


def _case(suite: Element, path: str, entry: Entry, report: Report) -> None:
    finding = entry.finding
    line = str(region(finding.span, report.sources).line)
    case = SubElement(
        suite, "testcase", name=f"fixgrad.{finding.rule}", classname=_text(path), file=_text(path),
        line=line, time="0",
    )  # fmt: skip
    message = _text(f"{finding.rule} {finding.message}")
    failure = SubElement(case, "failure", message=message, type=finding.rule)
    failure.text = _text(full(report._replace(entries=(entry,), colour=False, width=None)))


def _problem(suite: Element, problem: Problem) -> None:
    case = SubElement(
        suite, "testcase", name="fixgrad.problem", classname=_text(problem.path), time="0"
    )
    error = SubElement(case, "error", message=_text(problem.message), type="problem")
    error.text = _text(str(problem))


def _count(suite: Element) -> None:
    for name, kind in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(name, str(sum(1 for _ in suite.iter(kind))))


def _text(text: str) -> str:
    """Return a text that XML may hold: no control characters."""
    return "\n".join(map(harmless, printable(text).split("\n")))
