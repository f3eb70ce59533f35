// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/http/message.h"
#include "app/http/multipart.h"

namespace medaug::app {

/// The fields of a request's body, JSON or a form. Every complaint names its field; what nobody
/// asked for is an error with a near name.
class RequestFields {
 public:
  /// @throws HttpError 400 for what is no JSON object
  static RequestFields from_json(std::string_view body);
  /// Values of a form are texts; numbers are read from them.
  static RequestFields from_form(const std::vector<FormPart>& parts);

  std::string text(const std::string& name, const std::string& otherwise,
                   std::size_t max_bytes = 4096);
  /// null and absent = none
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t min, std::int64_t max);
  std::optional<double> number(const std::string& name, double min, double max);
  bool flag(const std::string& name, bool otherwise);
  std::string choice(const std::string& name, const std::vector<std::string>& allowed,
                     const std::string& otherwise);
  /// Base64 in JSON, a file in a form; empty = none. Addresses are refused: nothing is fetched.
  std::string bytes(const std::string& name);
  /// Known to clients, without a meaning here.
  void ignore(std::initializer_list<const char*> names);
  bool has(const std::string& name) const { return values_.contains(name); }
  /// @throws HttpError for fields that were not asked for
  void finish() const;

 private:
  RequestFields() = default;
  const Json* find(const std::string& name);

  Json values_ = Json::object();
  bool is_form_ = false;
  std::set<std::string> files_;
  std::vector<std::string> known_;
};

[[noreturn]] void refuse_field(const std::string& name, const std::string& message,
                               const std::string& hint = "");

}  // namespace medaug::app
