// SPDX-License-Identifier: MIT
#include "inference/originals.h"

#include <array>
#include <cstdio>
#include <string>
#include <system_error>

#include "base/files.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

std::string numbered(const char* kind, const Record& record, const fs::path& file) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "originals/%s/%06lld", kind,
                static_cast<long long>(record.line));
  return text.data() + file.extension().string();
}

std::string copied(const fs::path& file, const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  if (fs::file_size(folder / name, ignored) != fs::file_size(file)) {
    copy_file_atomically(file, folder / name);
  }
  return name;
}

std::string linked(const fs::path& file, const fs::path& folder, const std::string& name) {
  std::error_code failed;
  const auto real = fs::canonical(file, failed);
  if (!failed && !fs::equivalent(real, folder / name, failed)) {
    failed.clear();
    fs::create_hard_link(real, folder / name, failed);
  }
  // Another file system, or one without links: a copy serves as well.
  return failed ? copied(file, folder, name) : name;
}

}  // namespace

std::vector<Json> place_originals(const Manifest& source, const fs::path& folder, Originals how) {
  std::vector<Json> lines;
  if (how == Originals::kNone) {
    return lines;
  }
  make_folders(folder / "originals" / "images");
  make_folders(folder / "originals" / "masks");
  const auto placed = [&](const char* kind, const Record& record, const fs::path& file) {
    const auto name = numbered(kind, record, file);
    return how == Originals::kCopy ? copied(file, folder, name) : linked(file, folder, name);
  };
  for (const auto& record : source.records) {
    Json line = record.raw;
    line["image_path"] = placed("images", record, record.image_path);
    if (record.mask_path) {
      line["mask_path"] = placed("masks", record, *record.mask_path);
    }
    line["source_line"] = record.line;
    if (!line.contains("synthetic")) {  // made in an earlier round stays made
      line["synthetic"] = false;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace medaug
