// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace medaug::cli {

/// What every verb is given. A verb's parsing sets `action`; main runs it.
struct Globals {
  bool json = false;   ///< one JSON object on stdout instead of text
  bool quiet = false;  ///< no progress, no hints
  std::string log_level = "info";
  std::vector<std::string> overrides;  ///< --set section.key=value
  std::function<int()> action;         ///< returns the exit status
};

/// What a verb found out: `text` for people, `json` for machines, and the command to run next.
struct Result {
  std::string text;
  Json json = Json::object();
  std::string next;
};

/// Prints a result on stdout. The last line of every verb is its next command.
void print_result(const Globals& globals, const Result& result);

/// `word` as a shell would read it back.
std::string shell_quoted(std::string_view word);

}  // namespace medaug::cli
