// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace medaug {
namespace {

/// nlohmann's messages begin with "[json.exception.parse_error.101] parse error at ...".
std::string plain(std::string_view message) {
  const auto end = message.find("] ");
  return printable(end == std::string_view::npos ? message : message.substr(end + 2), 300);
}

/// Builds the value from the parser's events. (nlohmann's own builder with a callback takes
/// quadratic time: it searches the parent for discarded values at each end of an object.)
template <class Json>
class Builder {
 public:
  Builder(const JsonRules& rules, std::string_view where) : rules_(rules), where_(where) {}

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(value); }
  bool number_unsigned(std::uint64_t value) { return put(value); }
  bool number_float(double value, const std::string& /*text*/) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(typename Json::binary_t& value) { return put(std::move(value)); }
  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    auto& keys = levels_.back().keys;
    if (!keys.insert(name).second) {
      fail("key '" + printable(name) + "' stands twice");
    }
    if (keys.size() > rules_.max_keys) {
      fail("an object has more than " + std::to_string(rules_.max_keys) + " keys");
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::json::exception& error) {
    throw Error(rules_.code, where_, plain(error.what()));
  }

  Json take() { return std::move(root_); }

 private:
  struct Level {
    Json* value;  // stays where it is: its parent does not grow while it is open
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(rules_.code, where_, message);
  }

  Json* store(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *levels_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool put(Json value) {
    store(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (static_cast<int>(levels_.size()) >= rules_.max_depth) {
      fail("nested deeper than " + std::to_string(rules_.max_depth) + " levels");
    }
    Json* stored = store(std::move(value));
    levels_.push_back({stored, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  const JsonRules& rules_;
  std::string_view where_;
  Json root_;
  std::vector<Level> levels_;
  std::string key_;
};

template <class Json>
Json parse(std::string_view text, std::string_view where, const JsonRules& rules) {
  Builder<Json> builder(rules, where);
  if (!Json::sax_parse(text, &builder)) {
    throw Error(rules.code, where, "is not JSON");  // unreachable: parse_error throws
  }
  return builder.take();
}

}  // namespace

nlohmann::ordered_json parse_json(std::string_view text, std::string_view where,
                                  const JsonRules& rules) {
  return parse<nlohmann::ordered_json>(text, where, rules);
}

nlohmann::json parse_sorted_json(std::string_view text, std::string_view where,
                                 const JsonRules& rules) {
  return parse<nlohmann::json>(text, where, rules);
}

}  // namespace medaug
