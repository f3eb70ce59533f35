// SPDX-License-Identifier: MIT
#include "evaluation/requirements.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/strings.h"
#include "config/concat.h"
#include "evaluation/figures.h"

namespace medaug {
namespace {

/// The element of a list whose "name" or number this is, the member of an object, or none.
const Json* step_into(const Json& from, const std::string& key) {
  if (from.is_object()) {
    const auto found = from.find(key);
    return found == from.end() ? nullptr : &*found;
  }
  if (from.is_array()) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (key == std::to_string(i) || (from[i].is_object() && from[i].value("name", "") == key)) {
        return &from[i];
      }
    }
  }
  return nullptr;
}

std::vector<std::string> keys_of(const Json& from) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : from.items()) {
    keys.push_back(from.is_array() && value.is_object() ? value.value("name", key) : key);
  }
  return keys;
}

}  // namespace

Requirement parse_requirement(std::string_view text) {
  const auto at = std::min(text.find(">="), text.find("<="));
  Requirement out;
  if (at != std::string_view::npos) {
    out = {std::string(text), std::string(text.substr(0, at)), text[at] == '>', 0.0};
    const auto number = text.substr(at + 2);
    const auto* const end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, out.bound);
    if (!out.key.empty() && read.ec == std::errc() && read.ptr == end && std::isfinite(out.bound)) {
      return out;
    }
  }
  throw Error(ErrorCode::kUsage, "--require",
              concat({"'", printable(text), "' is no KEY>=NUMBER or KEY<=NUMBER"}),
              "for example 'agreement.over_ceiling>=0.95' or 'copies.share<=0.01'");
}

Json figure_at(const Json& evaluation, std::string_view key) {
  const Json* at = &evaluation;
  std::string passed;
  while (!key.empty()) {
    const auto dot = key.find('.');
    const std::string part(key.substr(0, dot));
    key = dot == std::string_view::npos ? std::string_view() : key.substr(dot + 1);
    const auto* const next = step_into(*at, part);
    if (next == nullptr) {
      const auto keys = keys_of(*at);
      throw Error(
          ErrorCode::kUsage, "--require",
          concat({"there is no figure '", printable(part), "'",
                  passed.empty() ? std::string() : concat({" in '", printable(passed), "'"})}),
          concat({"there are: ", join(keys, ", "),
                  "; a part has to be asked for (--segmenter, --distribution, ...)"}));
    }
    passed += (passed.empty() ? "" : ".") + part;
    at = next;
  }
  if (at->is_object() && at->contains("value")) {
    at = &(*at)["value"];
  }
  if (at->is_structured() && !is_summary(*at)) {
    throw Error(ErrorCode::kUsage, "--require", concat({"'", printable(passed), "' is no figure"}),
                concat({"it has: ", join(keys_of(*at), ", ")}));
  }
  return central(*at);
}

std::vector<std::string> missed_requirements(const Json& evaluation,
                                             const std::vector<Requirement>& requirements) {
  std::vector<std::string> missed;
  for (const auto& one : requirements) {
    const auto found = figure_at(evaluation, one.key);
    const bool reached = found.is_number() && (one.at_least ? found.get<double>() >= one.bound
                                                            : found.get<double>() <= one.bound);
    if (!reached) {
      missed.push_back(concat({one.text, " (it is ", figure(found, one.key), ")"}));
    }
  }
  return missed;
}

}  // namespace medaug
