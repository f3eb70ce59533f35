// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/fields.h"

namespace medaug::cli {

/// What `--version` prints: version, commit, compiler, LibTorch, CPU features.
std::string version_text();
Json version_json();

}  // namespace medaug::cli
