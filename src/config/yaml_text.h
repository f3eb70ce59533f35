// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace medaug {

/// Checks the bytes of a YAML text before any parser sees them: UTF-8 only, no control characters,
/// no tab in an indentation.
/// @return the text without byte order mark, lines ended by \n
/// @throws Error kConfig with the place of the first bad byte
std::string checked_yaml_text(std::string_view text, const std::string& source);

}  // namespace medaug
