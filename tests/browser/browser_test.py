# SPDX-License-Identifier: MIT
"""The browser suite: all cases in one run and one report. Names of classes or tests as arguments choose some of them."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "app"))
import serving  # noqa: E402
from attacks_test import Attacks  # noqa: E402,F401
from editor_cases import Editor  # noqa: E402,F401
from job_cases import History, Jobs, Survival  # noqa: E402,F401
from view_cases import Token, Views  # noqa: E402,F401

if __name__ == "__main__":
    serving.main("browser_test")
