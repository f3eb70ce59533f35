// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace medaug {

/// Joins the pieces of a message.
inline std::string concat(std::initializer_list<std::string_view> pieces) {
  std::string out;
  for (const auto piece : pieces) {
    out.append(piece);
  }
  return out;
}

}  // namespace medaug
