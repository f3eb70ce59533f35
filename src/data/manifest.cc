// SPDX-License-Identifier: MIT
#include "data/manifest.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "data/manifest_lines.h"
#include "data/record_parser.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 32;
constexpr int kRecordsForRoot = 20;

std::string shown(const fs::path& path) { return printable(path.string(), 400); }

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

/// The parser speaks of "parse error at line 1, column 7: …", but the line is the manifest's:
/// {":7", "not JSON: …"}.
std::pair<std::string, std::string> take_column(const std::string& message) {
  constexpr std::string_view kStart = "parse error at line 1, column ";
  const std::size_t colon = message.find(": ");
  if (!message.starts_with(kStart) || colon == std::string::npos) {
    return {"", message};
  }
  return {":" + message.substr(kStart.size(), colon - kStart.size()),
          "not valid JSON: " + message.substr(colon + 2)};
}

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

/// Whether a file that the record names exists below `folder`.
bool has_file_below(const Json& json, const fs::path& folder) {
  for (const char* field : {"image_path", "mask_path"}) {
    const auto found = json.is_object() ? json.find(field) : json.end();
    std::error_code error;
    if (found != json.end() && found->is_string() && !found->get<std::string>().empty() &&
        fs::exists(folder / found->get<std::string>(), error)) {
      return true;
    }
  }
  return false;
}

/// The folder below which the first records' files exist.
fs::path choose_root(const fs::path& manifest) {
  const fs::path folder = folder_of(manifest);
  internal::LineReader lines(manifest);
  std::string line;
  bool in_working_folder = false;
  for (int seen = 0; seen < kRecordsForRoot; ++seen) {
    const auto result = lines.next(line);
    if (result == internal::LineReader::Result::kEnd) {
      break;
    }
    const Json json = Json::parse(line, nullptr, false);
    if (has_file_below(json, folder)) {
      return folder;
    }
    in_working_folder = in_working_folder || has_file_below(json, ".");
  }
  return in_working_folder ? fs::path(".") : folder;
}

}  // namespace

struct ManifestReader::Impl {
  Impl(const fs::path& path_, const ManifestOptions& options)
      : path(path_),
        root(options.root.empty() ? choose_root(path_) : options.root),
        lines(path_),
        parser({root, options.allow_outside}, options) {}

  std::string where() const { return shown(path) + ":" + std::to_string(line); }

  void require_readable() const {
    if (!lines.good()) {
      throw Error(ErrorCode::kData, shown(path), "the manifest cannot be read",
                  "check its permissions and the disk it is on");
    }
  }

  Json parse_line(const std::string& text) const {
    try {
      Json json = parse_json(text, where(), {ErrorCode::kData, kMaxDepth});
      if (!json.is_object()) {
        throw Error(ErrorCode::kData, where(),
                    std::string("the line is a JSON ") + json.type_name() + ", not an object");
      }
      return json;
    } catch (const Error& e) {
      const auto [column, message] = take_column(e.message());
      const std::string hint =
          e.hint().empty() ? internal::syntax_hint(text, lines.ended()) : e.hint();
      throw Error(ErrorCode::kData, where() + column, message, hint);
    }
  }

  void note_unknown(const Json& json) {
    const auto& known = internal::kRecordFields;
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
  internal::LineReader lines;
  internal::RecordParser parser;
  std::int64_t line = 0;
  std::vector<std::string> warnings;
  std::set<std::string> seen_unknown;
};

ManifestReader::ManifestReader(const fs::path& path, const ManifestOptions& options) {
  check_is_file(path);
  impl_ = std::make_unique<Impl>(path, options);
  impl_->require_readable();
  if (impl_->lines.utf16()) {
    throw Error(ErrorCode::kData, shown(path), "the manifest is UTF-16", "save it as UTF-8");
  }
}

ManifestReader::~ManifestReader() = default;

std::optional<Record> ManifestReader::next() {
  std::string text;
  while (true) {
    const auto result = impl_->lines.next(text);
    if (result == internal::LineReader::Result::kEnd) {
      impl_->require_readable();
      return std::nullopt;
    }
    ++impl_->line;
    if (result == internal::LineReader::Result::kTooLong) {
      throw Error(ErrorCode::kData, impl_->where(),
                  "the line is longer than " + std::to_string(internal::kMaxLineBytes) + " bytes",
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

bool is_original(const Record& record) {
  const auto synthetic = record.raw.find("synthetic");
  return synthetic != record.raw.end() && synthetic->is_boolean() && !synthetic->get<bool>();
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
