// SPDX-License-Identifier: MIT
#include "checkpoint/file_hashes.h"

#include <sys/stat.h>

#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostNoteBytes = 1 << 16;
constexpr std::int64_t kWorthALine = 500'000'000;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// What changes when the file does. The change time cannot be set back as the other one can.
Json identity(const fs::path& file) {
  struct stat status{};
  std::error_code error;
  const auto path = fs::canonical(file, error);
  if (error || ::stat(path.c_str(), &status) != 0) {
    throw Error(ErrorCode::kResource, printable(file.string(), 1000), "cannot be read");
  }
  return {{"path", printable(path.string(), 4096)},
          {"bytes", status.st_size},
          {"file", status.st_ino},
          {"modified_ns", nanoseconds(status.st_mtim)},
          {"changed_ns", nanoseconds(status.st_ctim)}};
}

/// The remembered hash, or "" for a note that is absent, damaged or of another state of the file.
std::string remembered(const fs::path& note, const Json& now) {
  std::error_code ignored;
  if (!fs::exists(note, ignored)) {
    return "";
  }
  try {
    const auto text = read_file(note, kMostNoteBytes, ErrorCode::kResource);
    const auto json = parse_json(text, note.string(), {.code = ErrorCode::kResource});
    const auto hash = json.at("sha256").get<std::string>();
    return json.at("of") == now && hash.size() == 64 ? hash : "";
  } catch (const std::exception&) {
    return "";  // then it is computed anew, and the note written again
  }
}

void remember(const fs::path& note, const Json& now, const std::string& hash) {
  try {
    make_folders(note.parent_path());
    write_file_atomically(note, Json{{"of", now}, {"sha256", hash}}.dump() + "\n");
  } catch (const Error& e) {
    log_debug(std::string("the hash is not remembered: ") + e.what());
  }
}

}  // namespace

std::string FileHashes::sha256(const fs::path& file) const {
  const auto before = identity(file);
  const auto name = medaug::sha256(before.at("path").get<std::string>()) + ".json";
  const auto note = folder_ / "hashes" / name;
  if (!folder_.empty()) {
    if (auto hash = remembered(note, before); !hash.empty()) {
      return hash;
    }
  }
  if (before.at("bytes").get<std::int64_t>() > kWorthALine) {
    log_info(printable(file.string(), 1000) + ": computing its SHA-256, once");
  }
  auto hash = sha256_file(file);
  if (identity(file) != before) {
    throw Error(ErrorCode::kResource, printable(file.string(), 1000), "changes while it is read",
                "wait until it is written, then start again");
  }
  if (!folder_.empty()) {
    remember(note, before, hash);
  }
  return hash;
}

}  // namespace medaug
