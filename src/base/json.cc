// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <set>
#include <string>
#include <vector>

#include "base/strings.h"

namespace medaug {
namespace {

using Json = nlohmann::ordered_json;

/// nlohmann's messages begin with "[json.exception.parse_error.101] parse error at ...".
std::string plain(std::string_view message) {
  const auto end = message.find("] ");
  return printable(end == std::string_view::npos ? message : message.substr(end + 2), 300);
}

/// Sees each value as it is parsed, before it is stored.
struct Watcher {
  const JsonRules& rules;
  std::string where;
  std::vector<std::set<std::string>> keys{};

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        if (depth >= rules.max_depth) {
          throw Error(rules.code, where,
                      "nested deeper than " + std::to_string(rules.max_depth) + " levels");
        }
        keys.emplace_back();
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        keys.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys.back().insert(parsed.get<std::string>()).second) {
          throw Error(rules.code, where,
                      "key '" + printable(parsed.get<std::string>()) + "' stands twice");
        }
        break;
      case Json::parse_event_t::value:
        break;
    }
    return true;
  }
};

}  // namespace

Json parse_json(std::string_view text, std::string_view where, const JsonRules& rules) {
  Watcher watcher{rules, std::string(where)};
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
      return watcher(depth, event, parsed);
    });
  } catch (const Json::exception& e) {
    throw Error(rules.code, where, plain(e.what()));
  }
}

}  // namespace medaug
