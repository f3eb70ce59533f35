// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "base/fields.h"

// The numbers of an evaluation for spreadsheets: RFC 4180, UTF-8, in full precision. Text that a
// spreadsheet would take for a formula gets an apostrophe in front.

namespace medaug {

/// One line for each image, one column for each value that any of them has; empty where there is
/// none.
/// @throws Error kResource when the file cannot be written
void write_csv(const Json& evaluation, const std::filesystem::path& path);

/// Everything else: part, measure, statistic, value.
/// @throws Error kResource when the file cannot be written
void write_summary_csv(const Json& evaluation, const std::filesystem::path& path);

}  // namespace medaug
