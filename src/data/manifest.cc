// SPDX-License-Identifier: MIT
#include "data/manifest.h"

#include <array>
#include <cmath>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "data/manifest_paths.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLineBytes = 1 << 20;
constexpr std::size_t kMaxCaptionBytes = 16384;
constexpr int kMaxDepth = 32;
constexpr int kRecordsForRoot = 20;
const std::array<std::string, 6> kFields{"image_path", "caption", "mask_path",
                                         "label",      "group",   "spacing_mm"};

std::string shown(const fs::path& path) { return printable(path.string(), 400); }

/// Lines of a file, without the byte order mark, CR and LF; a line over the limit is skipped and
/// reported.
class LineReader {
 public:
  explicit LineReader(const fs::path& path) : in_(path, std::ios::binary) {
    char mark[3] = {};
    in_.read(mark, 3);
    utf16_ = in_.gcount() >= 2 &&
             ((mark[0] == '\xFF' && mark[1] == '\xFE') || (mark[0] == '\xFE' && mark[1] == '\xFF'));
    const bool bom = in_.gcount() == 3 && std::string_view(mark, 3) == "\xEF\xBB\xBF";
    in_.clear();
    in_.seekg(bom ? 3 : 0);
  }

  bool good() const { return in_.good(); }
  bool utf16() const { return utf16_; }

  enum class Result { kLine, kTooLong, kEnd };
  Result next(std::string& line) {
    line.clear();
    bool too_long = false;
    int c = in_.get();
    if (c == EOF) {
      return Result::kEnd;
    }
    for (; c != EOF && c != '\n'; c = in_.get()) {
      too_long = too_long || line.size() >= kMaxLineBytes;
      if (!too_long) {
        line.push_back(static_cast<char>(c));
      }
    }
    ended_ = c == '\n';
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    return too_long ? Result::kTooLong : Result::kLine;
  }
  /// Whether the last line was closed by a newline.
  bool ended() const { return ended_; }

 private:
  std::ifstream in_;
  bool utf16_ = false;
  bool ended_ = true;
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

/// Why a line that is no JSON object looks as it does.
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

/// Takes the fields out of one parsed line.
class RecordParser {
 public:
  RecordParser(const internal::PathRules& rules, std::int64_t num_labels)
      : rules_(rules), num_labels_(num_labels) {}

  Record parse(Json json, const std::string& where, std::int64_t line) const {
    Record record;
    record.line = line;
    record.image_path = path(json, where, "image_path").value();
    record.mask_path = path(json, where, "mask_path");
    if (record.mask_path && *record.mask_path == record.image_path) {
      throw Error(ErrorCode::kData, where, "mask_path and image_path are the same file",
                  "give the mask's own file, or null for no mask");
    }
    record.caption = caption(json, where);
    record.label = label(json, where);
    record.group = group(json, where);
    record.spacing_mm = spacing(json, where);
    record.raw = std::move(json);
    return record;
  }

  /// The text of `image_path`, when there is one; for the choice of the root.
  static std::string image_text(const Json& json) {
    const auto found = json.find("image_path");
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  }

 private:
  [[noreturn]] static void wrong_type(const Json& value, const std::string& where,
                                      const std::string& field, const std::string& wanted) {
    throw Error(ErrorCode::kData, where,
                field + " must be " + wanted + ", found " + value.type_name() + " " +
                    printable(value.dump(-1, ' ', true, Json::error_handler_t::replace), 60));
  }

  [[noreturn]] static void missing(const Json& json, const std::string& where,
                                   const std::string& field) {
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

  std::optional<fs::path> path(const Json& json, const std::string& where,
                               const char* field) const {
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
    return internal::resolve_path(found->get<std::string>(), rules_, where, field);
  }

  static std::string caption(const Json& json, const std::string& where) {
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
                      std::to_string(kMaxCaptionBytes));
    }
    return text;
  }

  std::optional<std::int64_t> label(const Json& json, const std::string& where) const {
    const auto found = json.find("label");
    if (found == json.end() || found->is_null()) {
      return std::nullopt;
    }
    if (!found->is_number_integer()) {
      wrong_type(*found, where, "label", "a whole number");
    }
    const auto value = found->get<std::int64_t>();
    if (value < 0 || (num_labels_ > 0 && value >= num_labels_)) {
      throw Error(ErrorCode::kData, where,
                  "label " + std::to_string(value) + " is outside 0.." +
                      (num_labels_ > 0 ? std::to_string(num_labels_ - 1) : ""),
                  "labels count the classes from 0");
    }
    return value;
  }

  static std::string group(const Json& json, const std::string& where) {
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

  static std::optional<std::vector<double>> spacing(const Json& json, const std::string& where) {
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

  internal::PathRules rules_;
  std::int64_t num_labels_;
};

void check_is_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw Error(ErrorCode::kData, shown(path), "the manifest does not exist",
                "a manifest has one JSON object per line: {\"image_path\": …, \"caption\": …, "
                "\"mask_path\": …}");
  }
  if (!fs::is_regular_file(status)) {
    throw Error(
        ErrorCode::kData, shown(path),
        fs::is_directory(status) ? "is a folder, a manifest is needed" : "is not a regular file");
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Whether any of the first records' images exists below `root`.
fs::path choose_root(const fs::path& manifest) {
  const fs::path folder = folder_of(manifest);
  LineReader lines(manifest);
  std::string line;
  bool in_working_folder = false;
  for (int seen = 0; seen < kRecordsForRoot; ++seen) {
    const auto result = lines.next(line);
    if (result == LineReader::Result::kEnd) {
      break;
    }
    const Json json = Json::parse(line, nullptr, false);
    const std::string image = json.is_object() ? RecordParser::image_text(json) : "";
    std::error_code error;
    if (!image.empty() && fs::exists(folder / image, error)) {
      return folder;
    }
    in_working_folder = in_working_folder || (!image.empty() && fs::exists(image, error));
  }
  return in_working_folder ? fs::path(".") : folder;
}

}  // namespace

struct ManifestReader::Impl {
  Impl(const fs::path& path_, const ManifestOptions& options)
      : path(path_),
        root(options.root.empty() ? choose_root(path_) : options.root),
        lines(path_),
        parser({root, options.allow_outside}, options.num_labels) {}

  std::string where() const { return shown(path) + ":" + std::to_string(line); }

  Json parse_line(const std::string& text) const {
    try {
      Json json = parse_json(text, where(), {ErrorCode::kData, kMaxDepth});
      if (!json.is_object()) {
        throw Error(ErrorCode::kData, where(),
                    std::string("the line is a JSON ") + json.type_name() + ", not an object");
      }
      return json;
    } catch (const Error& e) {
      const std::string hint = e.hint().empty() ? syntax_hint(text, lines.ended()) : e.hint();
      throw Error(ErrorCode::kData, e.where(), e.message(), hint);
    }
  }

  void note_unknown(const Json& json) {
    const std::vector<std::string> known(kFields.begin(), kFields.end());
    for (const auto& [key, value] : json.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end() ||
          !seen_unknown.insert(key).second) {
        continue;
      }
      const std::string near = nearest(key, known);
      if (!near.empty() && !json.contains(near)) {
        warnings.push_back(where() + ": unknown field '" + printable(key) +
                           "' is kept but not used (did you mean '" + near + "'?)");
      }
    }
  }

  fs::path path;
  fs::path root;
  LineReader lines;
  RecordParser parser;
  std::int64_t line = 0;
  std::vector<std::string> warnings;
  std::set<std::string> seen_unknown;
};

ManifestReader::ManifestReader(const fs::path& path, const ManifestOptions& options) {
  check_is_file(path);
  impl_ = std::make_unique<Impl>(path, options);
  if (impl_->lines.utf16()) {
    throw Error(ErrorCode::kData, shown(path), "the manifest is UTF-16", "save it as UTF-8");
  }
}

ManifestReader::~ManifestReader() = default;

std::optional<Record> ManifestReader::next() {
  std::string text;
  while (true) {
    const auto result = impl_->lines.next(text);
    if (result == LineReader::Result::kEnd) {
      return std::nullopt;
    }
    ++impl_->line;
    if (result == LineReader::Result::kTooLong) {
      throw Error(ErrorCode::kData, impl_->where(),
                  "the line is longer than " + std::to_string(kMaxLineBytes) + " bytes",
                  "one record per line; keep pictures in files, not in the manifest");
    }
    if (!is_blank(text)) {
      break;
    }
  }
  Json json = impl_->parse_line(text);
  if (impl_->seen_unknown.size() < 100) {
    impl_->note_unknown(json);
  }
  return impl_->parser.parse(std::move(json), impl_->where(), impl_->line);
}

const fs::path& ManifestReader::root() const { return impl_->root; }
std::int64_t ManifestReader::line() const { return impl_->line; }
const std::vector<std::string>& ManifestReader::warnings() const { return impl_->warnings; }

Manifest read_manifest(const fs::path& path, const ManifestOptions& options) {
  ManifestReader reader(path, options);
  Manifest manifest{path, reader.root(), {}};
  while (auto record = reader.next()) {
    manifest.records.push_back(std::move(*record));
  }
  for (const auto& warning : reader.warnings()) {
    log_warning(warning);
  }
  if (manifest.records.empty()) {
    throw Error(ErrorCode::kData, shown(path), "the manifest has no records",
                "it needs one JSON object per line");
  }
  log_info(shown(path) + ": " + std::to_string(manifest.records.size()) +
           " records, paths relative to " + shown(manifest.root));
  return manifest;
}

fs::path find_manifest(const fs::path& data_path, std::string_view split) {
  std::error_code error;
  std::vector<fs::path> tried;
  if (fs::is_directory(data_path, error)) {
    for (const auto& name : {std::string(split) + ".jsonl", std::string("manifest.jsonl")}) {
      tried.push_back(data_path / name);
    }
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(data_path, error)) {
      if (entry.path().extension() == ".jsonl") {
        found.push_back(entry.path());
      }
    }
    if (found.size() == 1) {
      tried.push_back(found.front());
    }
  } else {
    tried.push_back(data_path);
  }
  fs::path beside = data_path;
  if (!beside.has_filename()) {
    beside = beside.parent_path();
  }
  beside += ".jsonl";
  tried.push_back(beside);
  std::vector<std::string> names;
  for (const auto& candidate : tried) {
    if (fs::exists(candidate, error)) {
      return candidate;
    }
    names.push_back(shown(candidate));
  }
  throw Error(ErrorCode::kData, shown(data_path), "no manifest here",
              "looked for " + join(names, ", "));
}

}  // namespace medaug
