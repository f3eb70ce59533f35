// SPDX-License-Identifier: MIT
#include "config/field_info.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace medaug {
namespace {

std::string number(double value) {
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end};
}

std::string range(const FieldInfo& info) {
  if (std::isfinite(info.min) && std::isfinite(info.max)) {
    return std::string(" ").append(number(info.min)).append("..").append(number(info.max));
  }
  if (std::isfinite(info.min)) {
    return std::string(" from ").append(number(info.min));
  }
  return std::isfinite(info.max) ? std::string(" up to ").append(number(info.max)) : "";
}

std::string element(const FieldInfo& info) {
  switch (info.type) {
    case FieldType::kBool:
      return "true or false";
    case FieldType::kInteger:
      return "integer" + range(info);
    case FieldType::kReal:
      return "number" + range(info);
    case FieldType::kText:
      return "text";
    case FieldType::kChoice:
      return "one of " + join(info.choices, ", ");
  }
  return "?";
}

}  // namespace

std::string FieldInfo::allowed() const {
  if (is_list) {
    return "list of: " + element(*this);
  }
  return nullable ? element(*this) + ", or null" : element(*this);
}

}  // namespace medaug
