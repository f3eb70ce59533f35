#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what ctest ran: each case of a GoogleTest program, every other entry as one.

Prints failed and skipped cases and closes with "N passed, N failed". Exits 1 when one failed or none passed.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def gtest_cases(path):
    """(name, outcome, reason) of each case in the report of a GoogleTest program."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.get("status") == "notrun":
            continue
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            yield name, "failed", ""
        elif skipped is not None:
            yield name, "skipped", (skipped.get("message") or "").strip().splitlines()[-1:]
        else:
            yield name, "passed", ""


def all_cases(ctest_report, folder):
    for entry in ElementTree.parse(ctest_report).getroot().iter("testcase"):
        name = entry.get("name")
        report = folder / f"{name}.xml"
        outcome = {"run": "passed", "fail": "failed"}.get(entry.get("status"), "skipped")
        if not report.exists():
            yield name, outcome, ""
            continue
        cases = list(gtest_cases(report))
        yield from cases
        if outcome == "failed" and not any(case[1] == "failed" for case in cases):
            yield name, "failed", ""  # the program ended badly after its last case


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome, reason in all_cases(sys.argv[1], pathlib.Path(sys.argv[2])):
        counts[outcome] += 1
        if outcome != "passed":
            print(f"{outcome}: {name}{': ' + ' '.join(reason) if reason else ''}")
    if counts["skipped"]:
        print(f"{counts['skipped']} skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 0 if counts["passed"] and not counts["failed"] else 1


sys.exit(main())
