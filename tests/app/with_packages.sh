#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# with_packages.sh VENV SCRIPT PACKAGE...: runs a Python test with packages of PyPI in an environment of its own. Ends with
# 77, which CTest counts as skipped, when they cannot be had.
set -euo pipefail
venv=$1 script=$2
shift 2
mark=$venv/.installed-$(echo "$*" | sha256sum | cut -c1-16)
if [ ! -e "$mark" ]; then
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || { echo "skipped: python3 -m venv failed"; exit 77; }
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" || { echo "skipped: no $*"; exit 77; }
  touch "$mark"
fi
exec "$venv/bin/python" "$script"
