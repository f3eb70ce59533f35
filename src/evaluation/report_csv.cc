// SPDX-License-Identifier: MIT
#include "evaluation/report_csv.h"

#include <string_view>
#include <vector>

#include "base/files.h"
#include "evaluation/image_table.h"

namespace medaug {
namespace {

/// A cell as the file holds it. Only text can be taken for a formula, never a number.
std::string quoted(std::string text) {
  if (text.find_first_of("=+-@\t\r") == 0) {
    text.insert(0, "'");
  }
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string out = "\"";
  for (const char c : text) {
    out.append(c == '"' ? 2 : 1, c);
  }
  return out + "\"";
}

/// Numbers as the JSON writes them.
std::string csv_cell(const Json& value) {
  if (value.is_null()) {
    return "";
  }
  if (value.is_number() || value.is_boolean()) {
    return value.dump();
  }
  return quoted(value.is_string() ? value.get<std::string>()
                                  : value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += (i == 0 ? "" : ",") + cells[i];
  }
  return line + "\r\n";
}

/// A line for each number or word inside of `value`. @param measure  the keys that lead to it
void add_lines(std::string& out, const std::string& part, const std::string& measure,
               const Json& value) {
  std::size_t place = 0;
  for (const auto& [key, inner] : value.items()) {
    // Entries of a list go by their name where they have one.
    const bool named = value.is_array() && inner.is_object() && inner.contains("name") &&
                       inner["name"].is_string();
    const auto name = named              ? inner["name"].get<std::string>()
                      : value.is_array() ? std::to_string(++place)
                                         : key;
    if (inner.is_structured()) {
      add_lines(out, part, measure.empty() ? name : measure + "." + name, inner);
    } else {
      out += csv_line({quoted(part), quoted(measure), quoted(name), csv_cell(inner)});
    }
  }
}

}  // namespace

void write_csv(const Json& evaluation, const std::filesystem::path& path) {
  const auto& rows = image_rows(evaluation);
  const auto columns = image_columns(rows);
  std::vector<std::string> cells;
  for (const auto& column : columns) {
    cells.push_back(quoted(column));
  }
  auto out = csv_line(cells);
  for (const auto& row : rows) {
    cells.clear();
    for (const auto& column : columns) {
      const auto found = row.find(column);
      cells.push_back(found == row.end() ? "" : csv_cell(*found));
    }
    out += csv_line(cells);
  }
  write_file_atomically(path, out);
}

void write_summary_csv(const Json& evaluation, const std::filesystem::path& path) {
  auto out = csv_line({"part", "measure", "statistic", "value"});
  for (const auto& [part, value] : evaluation.items()) {
    if (part == "images") {
      continue;
    }
    if (value.is_structured()) {
      add_lines(out, part, "", value);
    } else {
      out += csv_line({quoted(part), "", "", csv_cell(value)});
    }
  }
  write_file_atomically(path, out);
}

}  // namespace medaug
