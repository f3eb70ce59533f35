// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <vector>

#include "base/fields.h"
#include "data/sample.h"
#include "inference/augment_plan.h"

namespace medaug {

/// The source's own images for a new data set, below `folder`/originals: copied, or as hard links
/// to the files where they are (copied where the file system cannot link). Files that are there
/// already stay.
/// @return  their manifest lines; none for Originals::kNone. @throws Error kResource
std::vector<Json> place_originals(const Manifest& source, const std::filesystem::path& folder,
                                  Originals how);

}  // namespace medaug
