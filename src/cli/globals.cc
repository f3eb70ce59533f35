// SPDX-License-Identifier: MIT
#include "cli/globals.h"

#include <iostream>

namespace medaug::cli {

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void print_result(const Globals& globals, const Result& result) {
  if (globals.json) {
    auto json = result.json;
    if (!result.next.empty()) {
      json["next"] = result.next;
    }
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
    return;
  }
  std::cout << result.text;
  if (!result.text.empty() && result.text.back() != '\n') {
    std::cout << '\n';
  }
  if (!result.next.empty() && !globals.quiet) {
    std::cout << "next: " << result.next << '\n';
  }
  std::cout << std::flush;
}

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out.push_back(c);
    }
  }
  out.push_back('\'');
  return out;
}

}  // namespace medaug::cli
