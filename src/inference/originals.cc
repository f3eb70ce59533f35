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

std::string referenced(const fs::path& file, const fs::path& folder) {
  return fs::absolute(file).lexically_normal().lexically_proximate(
      fs::absolute(folder).lexically_normal());
}

}  // namespace

std::vector<Json> place_originals(const Manifest& source, const fs::path& folder, Originals how) {
  std::vector<Json> lines;
  if (how == Originals::kNone) {
    return lines;
  }
  const bool copy = how == Originals::kCopy;
  if (copy) {
    make_folders(folder / "originals" / "images");
    make_folders(folder / "originals" / "masks");
  }
  const auto placed = [&](const char* kind, const Record& record, const fs::path& file) {
    return copy ? copied(file, folder, numbered(kind, record, file)) : referenced(file, folder);
  };
  for (const auto& record : source.records) {
    Json line = record.raw;
    line["image_path"] = placed("images", record, record.image_path);
    if (record.mask_path) {
      line["mask_path"] = placed("masks", record, *record.mask_path);
    }
    line["source_line"] = record.line;
    line["synthetic"] = false;
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace medaug
