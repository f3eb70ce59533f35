// SPDX-License-Identifier: MIT
#include "config/scalar.h"

#include <charconv>
#include <cmath>
#include <system_error>

namespace medaug {
namespace {

constexpr double kLargestExactWhole = 9007199254740992.0;  // 2^53

std::string_view without_plus(std::string_view text) {
  const bool signed_twice = text.size() > 1 && (text[1] == '-' || text[1] == '+');
  return text.starts_with('+') && !signed_twice ? text.substr(1) : text;
}

bool is_special(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  return text == ".nan" || text == ".NaN" || text == ".NAN" || text == ".inf" || text == ".Inf" ||
         text == ".INF";
}

// Digits, one point, one exponent: keeps out the "inf" and "nan" that from_chars would take.
bool looks_real(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
  }
  return !text.empty() && text.find_first_not_of("0123456789.eE+-") == std::string_view::npos &&
         text.find_first_of("0123456789") != std::string_view::npos && text.front() != 'e' &&
         text.front() != 'E';
}

ParsedScalar<std::int64_t> parse_in_base(std::string_view digits, int base) {
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
  if (error == std::errc::result_out_of_range && stop == end) {
    return {std::nullopt, "is out of range"};
  }
  if (error != std::errc() || stop != end) {
    return {std::nullopt, "is not a whole number"};
  }
  return {value, {}};
}

}  // namespace

std::optional<bool> parse_yaml_bool(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  return std::nullopt;
}

ParsedScalar<std::int64_t> parse_yaml_integer(std::string_view text) {
  if (text.starts_with("0x")) {
    return parse_in_base(text.substr(2), 16);
  }
  if (text.starts_with("0o")) {
    return parse_in_base(text.substr(2), 8);
  }
  auto whole = parse_in_base(without_plus(text), 10);
  if (whole.value || whole.fault == "is out of range") {
    return whole;
  }
  const auto real = parse_yaml_real(text);
  if (!real.value) {
    return {std::nullopt, real.fault == "is not a number" ? whole.fault : real.fault};
  }
  if (std::trunc(*real.value) != *real.value) {
    return whole;
  }
  if (std::abs(*real.value) > kLargestExactWhole) {
    return {std::nullopt, "is out of range"};
  }
  return {static_cast<std::int64_t>(*real.value), {}};
}

ParsedScalar<double> parse_yaml_real(std::string_view text) {
  if (is_special(text)) {
    return {std::nullopt, "is not finite"};
  }
  const auto number = without_plus(text);
  if (!looks_real(number)) {
    return {std::nullopt, "is not a number"};
  }
  double value = 0.0;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) {
    return {std::nullopt, "is out of range"};
  }
  if (error != std::errc() || stop != end) {
    return {std::nullopt, "is not a number"};
  }
  return {value, {}};
}

}  // namespace medaug
