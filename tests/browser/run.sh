#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [VENV] [TEST...]: the browser suite in an environment of its own; MEDAUG names the program. Ends with 77, which CTest
# counts as skipped, when Python's packages or a browser cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-build/browser-venv}
shift || true
# axe comes inside its package: nothing is fetched while the tests run. Pinned, because new versions bring new rules.
packages=(playwright==1.65.2 axe-playwright-python==0.1.8)

skip() {
  echo "skipped: $1"
  exit 77
}

browser=
for name in "${CHROMIUM:-}" chromium google-chrome chromium-browser; do
  if [ -n "$name" ] && browser=$(command -v "$name"); then
    break
  fi
done
[ -n "$browser" ] || skip "no chromium or google-chrome; CHROMIUM can name one"
"$browser" --version >/dev/null 2>&1 || skip "$browser does not start"

mark=$venv/.installed-$(echo "${packages[*]}" | sha256sum | cut -c1-16)
if [ ! -e "$mark" ]; then
  command -v python3 >/dev/null || skip "no python3"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || skip "python3 is older than 3.11"
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || skip "python3 -m venv failed"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" || skip "no ${packages[*]}"
  touch "$mark"
fi
export CHROMIUM=$browser PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" "$here/browser_test.py" "$@"
