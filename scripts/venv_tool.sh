# SPDX-License-Identifier: MIT
# Sourced. venv_tool NAME VERSION prints where a tool of that version is in .venv and installs it when it is missing.
venv_tool() {
  local tool=.venv/bin/$1
  if [ ! -x "$tool" ]; then
    [ -x .venv/bin/python ] || python3 -m venv .venv
    echo "installing $1 $2 into .venv" >&2
    .venv/bin/pip install --quiet --disable-pip-version-check "$1==$2" || {
      echo "$1 ${2%%.*} is missing: apt-get install $1-${2%%.*}" >&2
      return 1
    }
  fi
  echo "$tool"
}
