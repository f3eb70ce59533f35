// SPDX-License-Identifier: MIT
#include "data/manifest_lines.h"

namespace medaug::internal {

std::string syntax_hint(std::string_view line, bool ended) {
  const std::size_t start = line.find_first_not_of(" \t");
  const char first = start == std::string_view::npos ? ' ' : line[start];
  const std::size_t last = line.find_last_not_of(" \t");
  if (first == '[') {
    return "a manifest is JSONL: one {...} object per line, no list around them";
  }
  if (line.substr(start) == "{" || first == '}' || first == ']') {
    return "the record is spread over several lines: put each {...} on one line (jq -c .)";
  }
  if (line.find("{'") != std::string_view::npos || line.find("': ") != std::string_view::npos) {
    return "JSON wants double quotes, \"image_path\"";
  }
  if (!ended && first == '{' && line[last] != '}') {
    return "the last line is cut: the file was not written to its end";
  }
  if (last > 0 && line[last] == '}' && line.substr(0, last).find_last_not_of(" \t") != 0 &&
      line[line.substr(0, last).find_last_not_of(" \t")] == ',') {
    return "remove the comma before the closing brace";
  }
  if (line.find("NaN") != std::string_view::npos ||
      line.find("Infinity") != std::string_view::npos) {
    return "JSON has no NaN or Infinity: use null or leave the field out";
  }
  return "each line must be one JSON object";
}

}  // namespace medaug::internal
