// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/jobs/history.h"

namespace medaug::app {

/// A ZIP with these files, name and bytes, uncompressed: pictures are compressed already.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& files);

/// The pictures of a job with a JSON of each beside it, and its mask.
std::vector<std::pair<std::string, std::string>> archive_files(const Job& job,
                                                               const History& history);

}  // namespace medaug::app
