// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/fields.h"
#include "cli/front/commands.h"

namespace medaug::cli {

/// What a verb found out: `text` for people, `json` for machines, and the command to run next.
struct Result {
  std::string text;
  Json json = Json::object();
  std::string next;
};

/// Prints a result on stdout. The last line of every verb is its next command.
void print_result(const Globals& globals, const Result& result);

/// As files hold it: indented. Bytes of file names that are no UTF-8 are replaced.
std::string json_text(const Json& json);

/// `word` as a shell would read it back.
std::string shell_quoted(std::string_view word);

}  // namespace medaug::cli
