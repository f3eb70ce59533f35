// SPDX-License-Identifier: MIT
#include "checkpoint/manifest.h"

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;
constexpr std::int64_t kMaxManifestBytes = 1'000'000;

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

[[noreturn]] void refuse(const fs::path& path, std::string_view message,
                         std::string_view hint = {}) {
  throw Error(ErrorCode::kCheckpoint, shown(path), message, hint);
}

StepManifest from_json(const Json& json, const fs::path& path) {
  StepManifest manifest;
  manifest.step = json.at("step").get<std::int64_t>();
  manifest.serial = json.at("serial").get<std::int64_t>();
  for (const Json& file : json.at("files")) {
    manifest.files.push_back({file.at("name").get<std::string>(),
                              file.at("bytes").get<std::int64_t>(),
                              file.at("sha256").get<std::string>()});
    const fs::path name = manifest.files.back().name;
    if (name.empty() || name != name.filename() || name == "..") {
      refuse(path, "names a file outside its folder");
    }
  }
  return manifest;
}

/// Of the manifest without its last member.
std::string checksum_of(Json json) {
  json.erase("checksum");
  return sha256(json.dump());
}

}  // namespace

std::int64_t StepManifest::total_bytes() const {
  std::int64_t total = 0;
  for (const auto& file : files) {
    total += file.bytes;
  }
  return total;
}

std::vector<ManifestFile> hash_files(const fs::path& folder) {
  std::vector<ManifestFile> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != StepManifest::kName) {
      files.push_back({entry.path().filename().string(),
                       static_cast<std::int64_t>(entry.file_size()), sha256_file(entry.path())});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

std::string format_manifest(const StepManifest& manifest) {
  Json json;
  json["schema"] = StepManifest::kSchema;
  json["step"] = manifest.step;
  json["serial"] = manifest.serial;
  json["files"] = Json::array();
  for (const auto& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  json["checksum"] = checksum_of(json);
  return json.dump(2) + "\n";
}

StepManifest read_step_manifest(const fs::path& folder) {
  const fs::path path = folder / StepManifest::kName;
  const std::string text = read_file(path, kMaxManifestBytes, ErrorCode::kCheckpoint);
  const Json json = parse_json(text, shown(path), {.code = ErrorCode::kCheckpoint});
  try {
    if (json.at("schema").get<int>() > StepManifest::kSchema) {
      refuse(path, "was written by a newer medaug", "use that version or a later one");
    }
    if (json.at("checksum").get<std::string>() != checksum_of(json)) {
      refuse(path, "is damaged: its checksum differs");
    }
    return from_json(json, path);
  } catch (const Json::exception& e) {
    refuse(path, "is damaged: " + printable(e.what()));
  }
}

StepManifest verify_checkpoint(const fs::path& folder) {
  StepManifest manifest = read_step_manifest(folder);
  for (const auto& file : manifest.files) {
    const fs::path path = folder / file.name;
    std::error_code error;
    const auto bytes = static_cast<std::int64_t>(fs::file_size(path, error));
    if (error) {
      refuse(path, "is missing");
    }
    if (bytes != file.bytes) {
      refuse(path, "is damaged: it has " + std::to_string(bytes) + " bytes, not " +
                       std::to_string(file.bytes));
    }
    if (sha256_file(path) != file.sha256) {
      refuse(path, "is damaged: its SHA-256 differs from the manifest");
    }
  }
  return manifest;
}

}  // namespace medaug
