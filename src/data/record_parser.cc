// SPDX-License-Identifier: MIT
#include "data/record_parser.h"

#include <cmath>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/strings.h"

namespace medaug::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxCaptionBytes = 16384;

[[noreturn]] void wrong_type(const Json& value, const std::string& where, const std::string& field,
                             const std::string& wanted) {
  throw Error(
      ErrorCode::kData, where,
      field + " must be " + wanted + ", found " + value.type_name() + " " +
          printable(value.dump(-1, ' ', true, Json::error_handler_t::replace), 60),
      R"(a record is {"image_path": "a.png", "caption": "...", "mask_path": "m.png" or null})");
}

[[noreturn]] void missing(const Json& json, const std::string& where, const std::string& field) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) {
    keys.push_back(key);
  }
  const std::string near = nearest(field, keys);
  throw Error(ErrorCode::kData, where, "the record has no '" + field + "'",
              near.empty()
                  ? "every record needs image_path and caption"
                  : "did you mean '" + printable(near) + "'? rename it to '" + field + "'");
}

std::optional<fs::path> path_in(const Json& json, const std::string& where, const char* field,
                                const PathRules& rules) {
  const bool required = std::string_view(field) == "image_path";
  const auto found = json.find(field);
  if (found == json.end()) {
    if (required) {
      missing(json, where, field);
    }
    return std::nullopt;
  }
  if (found->is_null() && !required) {
    return std::nullopt;
  }
  if (!found->is_string()) {
    wrong_type(*found, where, field, required ? "a path" : "a path or null");
  }
  return resolve_path(found->get<std::string>(), rules, where, field);
}

std::string caption_in(const Json& json, const std::string& where) {
  const auto found = json.find("caption");
  if (found == json.end()) {
    missing(json, where, "caption");
  }
  if (found->is_null()) {
    throw Error(ErrorCode::kData, where, "caption is null",
                "write \"\" for a sample without a caption");
  }
  if (!found->is_string()) {
    wrong_type(*found, where, "caption", "text");
  }
  auto text = found->get<std::string>();
  if (text.size() > kMaxCaptionBytes) {
    throw Error(ErrorCode::kData, where,
                "caption has " + std::to_string(text.size()) + " bytes; the limit is " +
                    std::to_string(kMaxCaptionBytes),
                "shorten it: the model reads the first text.max_tokens pieces");
  }
  return text;
}

std::optional<std::int64_t> label_in(const Json& json, const std::string& where,
                                     std::int64_t num_labels) {
  const auto found = json.find("label");
  if (found == json.end() || found->is_null()) {
    return std::nullopt;
  }
  if (!found->is_number_integer()) {
    wrong_type(*found, where, "label", "a whole number");
  }
  const auto value = found->get<std::int64_t>();
  if (value < 0 || (num_labels > 0 && value >= num_labels)) {
    throw Error(ErrorCode::kData, where,
                "label " + std::to_string(value) + " is outside 0.." +
                    (num_labels > 0 ? std::to_string(num_labels - 1) : ""),
                "labels count the classes from 0");
  }
  return value;
}

std::string group_in(const Json& json, const std::string& where) {
  const auto found = json.find("group");
  if (found == json.end() || found->is_null()) {
    return "";
  }
  if (found->is_number_integer()) {
    return std::to_string(found->get<std::int64_t>());
  }
  if (!found->is_string()) {
    wrong_type(*found, where, "group", "text or a whole number");
  }
  return found->get<std::string>();
}

std::optional<std::vector<double>> spacing_in(const Json& json, const std::string& where) {
  const auto found = json.find("spacing_mm");
  if (found == json.end() || found->is_null()) {
    return std::nullopt;
  }
  std::vector<double> values;
  for (const auto& item : found->is_array() ? *found : Json::array({*found, *found})) {
    values.push_back(item.is_number() ? item.get<double>() : -1.0);
  }
  const bool good = values.size() == 2 && values[0] > 0.0 && values[1] > 0.0 &&
                    std::isfinite(values[0]) && std::isfinite(values[1]);
  if (!good) {
    wrong_type(*found, where, "spacing_mm", "two positive numbers (row, column)");
  }
  return values;
}

}  // namespace

Record RecordParser::parse(Json json, const std::string& where, std::int64_t line) const {
  Record record;
  record.line = line;
  if (images_needed_) {
    record.image_path = path_in(json, where, "image_path", rules_).value();
  }
  record.mask_path = path_in(json, where, "mask_path", rules_);
  if (record.mask_path && *record.mask_path == record.image_path) {
    throw Error(ErrorCode::kData, where, "mask_path and image_path are the same file",
                "give the mask's own file, or null for no mask");
  }
  record.caption = caption_in(json, where);
  record.label = label_in(json, where, num_labels_);
  record.group = group_in(json, where);
  record.spacing_mm = spacing_in(json, where);
  record.raw = std::move(json);
  return record;
}

}  // namespace medaug::internal
