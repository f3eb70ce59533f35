// SPDX-License-Identifier: MIT
#include "app/routes.h"

#include <optional>

namespace medaug::app {
namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto end = path.find('/');
    parts.push_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  }
  return parts;
}

/// What stands for the braces, or nothing when the path is another one. A brace may have a fixed
/// ending: "{n}.png".
std::optional<std::vector<std::string>> matched(std::string_view pattern, std::string_view path) {
  const auto wanted = parts_of(pattern), found = parts_of(path);
  if (wanted.size() != found.size()) {
    return std::nullopt;
  }
  std::vector<std::string> values;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto brace = wanted[i].find('}');
    if (wanted[i].empty() || wanted[i].front() != '{' || brace == std::string_view::npos) {
      if (wanted[i] != found[i]) {
        return std::nullopt;
      }
      continue;
    }
    const auto ending = wanted[i].substr(brace + 1);
    if (found[i].size() <= ending.size() ||
        found[i].substr(found[i].size() - ending.size()) != ending) {
      return std::nullopt;
    }
    values.emplace_back(found[i].substr(0, found[i].size() - ending.size()));
  }
  return values;
}

}  // namespace

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  for (const auto& route : routes_) {
    auto values = matched(route.pattern, path);
    if (!values) {
      continue;
    }
    if (route.method == method || (route.method == "GET" && method == "HEAD")) {
      return {&route, std::move(*values), ""};
    }
    match.allowed += (match.allowed.empty() ? "" : ", ") + route.method;
  }
  return match;
}

}  // namespace medaug::app
