// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

namespace medaug::internal {

/// Where and how a path of a manifest may point.
struct PathRules {
  std::filesystem::path root;
  bool allow_outside = false;
};

/// The file that `text` names, which exists, is a regular file and does not leave the root.
/// @param where  file:line for messages
/// @param field  "image_path" or "mask_path"
/// @throws Error kData
std::filesystem::path resolve_path(const std::string& text, const PathRules& rules,
                                   const std::string& where, const char* field);

}  // namespace medaug::internal
