// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

#include "base/error.h"
#include "nlohmann/json.hpp"

namespace medaug {

struct JsonRules {
  ErrorCode code = ErrorCode::kData;  ///< of the error that is thrown
  int max_depth = 32;                 ///< objects and lists inside each other
  std::size_t max_keys = 10'000;      ///< of one object
};

/// Strict JSON: one value and nothing after it, valid UTF-8, no key twice in an object, bounded
/// depth.
/// @param where  what the error names: file, or file:line
/// @throws Error rules.code with the byte at which it went wrong
nlohmann::ordered_json parse_json(std::string_view text, std::string_view where,
                                  const JsonRules& rules = {});
/// The same with the keys sorted: for objects with very many of them, where keeping the order takes
/// quadratic time.
nlohmann::json parse_sorted_json(std::string_view text, std::string_view where,
                                 const JsonRules& rules = {});

}  // namespace medaug
