// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace medaug {

// Plain scalars by the core schema of YAML 1.2.2 (section 10.3): `no` is text, `010` is ten, `1:30`
// is text.

template <class T>
struct ParsedScalar {
  std::optional<T> value;
  std::string fault;  ///< why there is no value, for example "is not a whole number"
};

std::optional<bool> parse_yaml_bool(std::string_view text);

/// Whole numbers, also as `1e3`, `64.0`, `0x40` and `0o100`.
ParsedScalar<std::int64_t> parse_yaml_integer(std::string_view text);

/// Finite numbers; `.nan` and `.inf` are faults.
ParsedScalar<double> parse_yaml_real(std::string_view text);

}  // namespace medaug
