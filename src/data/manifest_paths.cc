// SPDX-License-Identifier: MIT
#include "data/manifest_paths.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "base/error.h"
#include "base/strings.h"

namespace medaug::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPathBytes = 4096;

struct Complaint {
  std::string message;
  std::string hint;
};

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 32 || u == 127;
  });
}

bool is_url(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 2) {
    return false;
  }
  const bool scheme =
      std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                  [](char c) { return std::isalpha(static_cast<unsigned char>(c)); });
  const std::string_view name = text.substr(0, colon);
  return scheme &&
         (text.substr(colon, 3) == "://" || name == "file" || name == "data" || name == "s3");
}

std::string in_quotes(std::string_view text) {
  return std::string("'").append(printable(text)).append("'");
}

/// What is wrong with the text itself, before the file system is asked.
Complaint complaint_about(const std::string& text) {
  if (text.empty()) {
    return {"is empty", "give a path, or null for no mask"};
  }
  if (text.size() > kMaxPathBytes) {
    return {"has " + std::to_string(text.size()) + " characters; the limit is " +
                std::to_string(kMaxPathBytes),
            "give the path of a file"};
  }
  if (has_control_character(text)) {
    return {in_quotes(text) + " holds a control character", "rename the file"};
  }
  if (is_url(text)) {
    return {in_quotes(text) + " is a URL; nothing is ever fetched",
            "download the file and give its path"};
  }
  if (text.find('\\') != std::string::npos) {
    return {in_quotes(text) + " is written the Windows way", "use / and a relative path"};
  }
  return {};
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [rest, end] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return rest == folder.end() || (rest->empty() && std::next(rest) == folder.end());
}

// The file may be there under another spelling: 001.PNG, 01.png.
std::string similar_name(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  std::size_t budget = 20000;
  for (fs::directory_iterator it(path.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    if (budget-- == 0) {
      break;
    }
    names.push_back(it->path().filename().string());
  }
  const auto wanted = ascii_lower(path.filename().string());
  for (const auto& name : names) {
    if (ascii_lower(name) == wanted) {
      return name;
    }
  }
  return "";
}

void check_file(const fs::path& path, const std::string& where, const std::string& quoted) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    const std::string similar = similar_name(path);
    const bool unreadable = error && error != std::errc::no_such_file_or_directory &&
                            error != std::errc::not_a_directory;
    throw Error(ErrorCode::kData, where,
                quoted + (unreadable ? " cannot be opened: " + error.message() : " does not exist"),
                similar.empty() ? "looked for " + printable(path.string(), 400)
                                : "did you mean '" + printable(similar) + "'?");
  }
  if (fs::is_directory(status)) {
    throw Error(ErrorCode::kData, where, quoted + " is a folder, not a file",
                "give the path of a file in it");
  }
  if (!fs::is_regular_file(status)) {
    throw Error(ErrorCode::kData, where, quoted + " is not a regular file (a pipe or a device)",
                "copy what it gives to a file");
  }
}

}  // namespace

fs::path resolve_path(const std::string& text, const PathRules& rules, const std::string& where,
                      const char* field) {
  const Complaint complaint = complaint_about(text);
  if (!complaint.message.empty()) {
    throw Error(ErrorCode::kData, where, std::string(field) + " " + complaint.message,
                complaint.hint);
  }
  const std::string quoted = std::string(field) + " " + in_quotes(text);
  const fs::path path = (rules.root / text).lexically_normal();
  const auto refuse_outside = [&](const char* how) {
    throw Error(
        ErrorCode::kData, where, quoted + how + " " + printable(rules.root.string(), 300),
        "name another root (--root FOLDER, or --set data.root=FOLDER when training), or trust "
        "this manifest (--allow-outside, or --set data.allow_outside=true)");
  };
  std::error_code error;
  const fs::path root = fs::weakly_canonical(rules.root, error);
  if (!rules.allow_outside &&
      !is_inside(fs::absolute(path, error).lexically_normal(),
                 fs::absolute(rules.root, error).lexically_normal()) &&
      !is_inside(path, root)) {
    refuse_outside(" leads out of the folder");
  }
  check_file(path, where, quoted);
  const fs::path real = fs::canonical(path, error);
  if (!rules.allow_outside && (error || !is_inside(real, root))) {
    refuse_outside(" is a link out of the folder");
  }
  return path;
}

}  // namespace medaug::internal
