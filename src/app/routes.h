// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/http/message.h"

namespace medaug::app {

enum class BodyKind { kNone, kJson, kForm, kPng };

/// One address of the API. "{id}" in a pattern stands for one part of the path.
struct Route {
  std::string method;
  std::string pattern;
  BodyKind body = BodyKind::kNone;
  bool needs_token = true;
  /// @param parts  what stood for the braces, in order
  std::function<Response(Request& request, const std::vector<std::string>& parts)> handle;
};

class Router {
 public:
  void add(Route route) { routes_.push_back(std::move(route)); }

  struct Match {
    const Route* route = nullptr;    ///< null = none
    std::vector<std::string> parts;  ///< for the braces
    std::string allowed;             ///< methods of the path, when only the method is wrong
  };
  /// HEAD finds what GET finds.
  Match find(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace medaug::app
