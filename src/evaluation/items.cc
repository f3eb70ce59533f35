// SPDX-License-Identifier: MIT
#include "evaluation/items.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/manifest.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  constexpr std::array<std::string_view, 6> kEndings{".png", ".jpg",  ".jpeg",
                                                     ".tif", ".tiff", ".bmp"};
  auto ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

bool has_manifest(const fs::path& folder) {
  const auto begin = fs::directory_iterator(folder);
  return std::any_of(begin, fs::end(begin),
                     [](const auto& entry) { return entry.path().extension() == ".jsonl"; });
}

std::vector<SourceItem> pictures_of(const fs::path& folder) {
  std::vector<SourceItem> items;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && is_picture(entry.path())) {
      SourceItem item;
      item.name = entry.path().stem().string();
      item.image = entry.path();
      items.push_back(std::move(item));
    }
  }
  std::sort(items.begin(), items.end(), [](const SourceItem& a, const SourceItem& b) {
    return std::pair(a.name, a.image) < std::pair(b.name, b.image);
  });
  const auto twin =
      std::adjacent_find(items.begin(), items.end(),
                         [](const SourceItem& a, const SourceItem& b) { return a.name == b.name; });
  if (twin != items.end()) {
    throw Error(ErrorCode::kData, folder.string(),
                concat({"two pictures are called '", printable(twin->name),
                        "': ", twin->image.filename().string(), " and ",
                        std::next(twin)->image.filename().string()}),
                "pictures are matched by name: keep one of them, or use a manifest");
  }
  return items;
}

std::vector<SourceItem> records_of(const Manifest& manifest) {
  std::vector<SourceItem> items;
  for (const auto& record : manifest.records) {
    SourceItem item;
    item.name = record.image_path.stem().string();
    item.image = record.image_path;
    item.mask = record.mask_path;
    item.label = record.label;
    item.line = record.line;
    if (record.spacing_mm) {
      item.spacing_mm = {(*record.spacing_mm)[0], (*record.spacing_mm)[1]};
    }
    const auto source = record.raw.find("source_line");
    if (source != record.raw.end() && source->is_number_integer()) {
      item.source_line = source->get<std::int64_t>();
    }
    items.push_back(std::move(item));
  }
  return items;
}

/// Looks items up by name or by line.
class Index {
 public:
  explicit Index(const Source* source) : source_(source) {
    if (source != nullptr) {
      for (const auto& item : source->items) {
        by_name_.emplace(item.name, &item);
        by_line_.emplace(item.line, &item);
      }
    }
  }

  const SourceItem* partner_of(const SourceItem& item) const {
    if (source_ != nullptr && source_->is_manifest && item.source_line) {
      return find(by_line_, *item.source_line);
    }
    return find(by_name_, item.name);
  }
  const SourceItem* named(const std::string& name) const { return find(by_name_, name); }

 private:
  template <class Map, class Key>
  static const SourceItem* find(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : found->second;
  }

  const Source* source_;
  std::map<std::string, const SourceItem*> by_name_;
  std::map<std::int64_t, const SourceItem*> by_line_;
};

std::optional<fs::path> mask_for(const SourceItem& made, const SourceItem* real,
                                 const Index& masks) {
  if (const auto* const found = masks.named(made.name)) {
    return found->image;
  }
  if (real != nullptr) {
    if (const auto* const found = masks.named(real->name)) {
      return found->image;
    }
  }
  return made.mask || real == nullptr ? made.mask : real->mask;
}

}  // namespace

Source read_source(const fs::path& path, const std::string& split) {
  std::error_code error;
  Source source;
  source.path = path;
  if (!fs::exists(path, error)) {
    throw Error(ErrorCode::kData, path.string(), "there is no such folder or manifest");
  }
  source.is_manifest = !fs::is_directory(path, error) || has_manifest(path);
  if (source.is_manifest) {
    ManifestOptions options;
    options.allow_outside = true;
    source.path = find_manifest(path, split);
    source.items = records_of(read_manifest(source.path, options));
  } else {
    source.items = pictures_of(path);
  }
  if (source.items.empty()) {
    throw Error(
        ErrorCode::kData, path.string(), "there is no picture in this folder",
        "PNG, JPEG, TIFF and BMP files are read, not those in sub-folders; or give a manifest");
  }
  return source;
}

Collection match(const Source& generated, const Source* reference, const Source* masks) {
  const Index references(reference), mask_index(masks);
  Collection out;
  for (const auto& made : generated.items) {
    const auto* const real = references.partner_of(made);
    EvaluationItem item{made.name, made.image, std::nullopt, mask_for(made, real, mask_index),
                        made.spacing_mm};
    if (reference != nullptr && real == nullptr) {
      out.skipped.push_back({made.name, "no reference of this name"});
      continue;
    }
    if (real != nullptr) {
      item.reference = real->image;
      item.spacing_mm = item.spacing_mm ? item.spacing_mm : real->spacing_mm;
    }
    if (masks != nullptr && !item.mask) {
      out.skipped.push_back({made.name, "no mask of this name"});
      continue;
    }
    out.items.push_back(std::move(item));
  }
  if (out.items.empty()) {
    throw Error(ErrorCode::kData, generated.path.string(),
                concat({"none of the ", std::to_string(generated.items.size()), " images has a ",
                        reference != nullptr ? "reference" : "mask", " of the same name (",
                        out.skipped.front().name, ", ...)"}),
                "generated images are matched with references and masks by file name");
  }
  return out;
}

}  // namespace medaug
