// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "data/preprocess.h"

namespace medaug {

/// What people call class k (from 0): its name, or "class 1" and so on.
std::string class_name(const PreprocessOptions& options, std::int64_t k);

/// Its value in a label map: `mask_labels`, or 255 for one class and 1..K for more.
std::int64_t class_label(const PreprocessOptions& options, std::int64_t k);

}  // namespace medaug
