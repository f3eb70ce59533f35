// SPDX-License-Identifier: MIT
#include "evaluation/items.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>

#include "base/ascii.h"
#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/manifest.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

/// What stands in a folder, sorted. @throws Error kData when it cannot be read
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error) {
    throw Error(ErrorCode::kData, folder.string(), "the folder cannot be read: " + error.message(),
                "check its permissions");
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool has_manifest(const fs::path& folder) {
  const auto entries = entries_of(folder);
  return std::any_of(entries.begin(), entries.end(),
                     [](const fs::path& entry) { return entry.extension() == ".jsonl"; });
}

std::vector<SourceItem> pictures_of(const fs::path& folder) {
  std::vector<SourceItem> items;
  for (const auto& entry : entries_of(folder)) {
    std::error_code error;
    if (is_picture(entry) && fs::is_regular_file(entry, error)) {
      SourceItem item;
      item.name = entry.stem().string();
      item.image = entry;
      items.push_back(std::move(item));
    }
  }
  std::sort(items.begin(), items.end(), [](const SourceItem& a, const SourceItem& b) {
    return std::tie(a.name, a.image) < std::tie(b.name, b.image);
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
    const auto hash = record.raw.find("source_hash");
    if (hash != record.raw.end() && hash->is_string()) {
      item.source_hash = hash->get<std::string>();
    }
    item.original = is_original(record);
    items.push_back(std::move(item));
  }
  return items;
}

/// A partner, or why there is none.
struct Found {
  const SourceItem* item = nullptr;
  std::string problem;
};

/// Looks up what belongs to a generated image. A wrong partner is worse than none: what is not
/// certain is not found.
class Index {
 public:
  /// @param what  "reference" or "mask", for the reasons
  Index(const Source& source, std::string what) : source_(source), what_(std::move(what)) {
    for (const auto& item : source.items) {
      by_name_.emplace(item.name, &item);
      by_line_.emplace(item.line, &item);
    }
  }

  Found partner_of(const SourceItem& made) const {
    if (!made.source_line) {
      return named(made.name);
    }
    if (!source_.is_manifest) {
      // Its own name is a running number, which may be the name of any other picture.
      return {nullptr, concat({"it was made from a manifest: give that for its ", what_})};
    }
    if (!made.source_hash.empty() && made.source_hash != source_.hash) {
      return {nullptr, concat({"it was made from another manifest than that of the ", what_, "s"})};
    }
    const auto found = by_line_.find(*made.source_line);
    if (found == by_line_.end()) {
      return {nullptr, concat({"the ", what_, " manifest has no such line as it was made from"})};
    }
    if (made.label && found->second->label && *made.label != *found->second->label) {
      return {nullptr, concat({"its label is not that of the line it was made from, in the ", what_,
                               " manifest"})};
    }
    return {found->second, ""};
  }

  Found named(const std::string& name) const {
    switch (by_name_.count(name)) {
      case 0:
        return {nullptr, concat({"no ", what_, " of this name"})};
      case 1:
        return {by_name_.find(name)->second, ""};
      default:
        return {nullptr, concat({"more than one ", what_, " of this name"})};
    }
  }

 private:
  const Source& source_;
  std::string what_;
  std::multimap<std::string, const SourceItem*> by_name_;
  std::map<std::int64_t, const SourceItem*> by_line_;
};

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error);
}

/// Names that several of the images have which can only be matched by name.
std::set<std::string> twins_of(const Source& generated) {
  std::set<std::string> seen, twins;
  for (const auto& made : generated.items) {
    if (!made.source_line && !seen.insert(made.name).second) {
      twins.insert(made.name);
    }
  }
  return twins;
}

/// Puts one generated image together with what belongs to it.
class Matcher {
 public:
  Matcher(const Source& generated, const Source* reference, const Source* masks)
      : generated_(generated), masks_(masks), twins_(twins_of(generated)) {
    if (reference != nullptr) {
      references_.emplace(*reference, "reference");
    }
    if (masks != nullptr) {
      mask_index_.emplace(*masks, "mask");
    }
  }

  /// @return why the image has to be left out; empty = it need not
  std::string fill(const SourceItem& made, EvaluationItem& item) const {
    if (made.original) {
      return "it is an original and was not generated";
    }
    const SourceItem* real = nullptr;
    if (references_) {
      const auto found = certain(made, references_->partner_of(made));
      if (found.item == nullptr) {
        return found.problem;
      }
      real = found.item;
      item.reference = real->image;
      if (!item.spacing_mm && real->spacing_mm) {
        item.spacing_mm = real->spacing_mm;
        item.spacing_of = real->image;
      }
    }
    item.mask = made.mask || real == nullptr ? made.mask : real->mask;
    return masks_ != nullptr ? fill_mask(made, real, item) : "";
  }

 private:
  Found certain(const SourceItem& made, Found found) const {
    return made.source_line || !twins_.contains(made.name)
               ? std::move(found)
               : Found{nullptr, "another generated image has the same name"};
  }

  /// From the masks that were given and nowhere else.
  std::string fill_mask(const SourceItem& made, const SourceItem* real,
                        EvaluationItem& item) const {
    const bool own = masks_->is_manifest
                         ? same_file(masks_->path, generated_.path)
                         : made.mask && same_file(masks_->path, made.mask->parent_path());
    if (own) {
      item.mask = made.mask;
      return item.mask ? "" : "no mask of this name";
    }
    const bool of_real = made.source_line && real != nullptr && !masks_->is_manifest;
    const auto found =
        certain(made, of_real ? mask_index_->named(real->name) : mask_index_->partner_of(made));
    if (found.item == nullptr) {
      return found.problem;
    }
    item.mask = masks_->is_manifest ? found.item->mask : found.item->image;
    return item.mask ? "" : "no mask of this name";
  }

  const Source& generated_;
  const Source* masks_;
  std::set<std::string> twins_;
  std::optional<Index> references_, mask_index_;
};

}  // namespace

bool is_picture(const fs::path& path) {
  constexpr std::array<std::string_view, 6> kEndings{".png", ".jpg",  ".jpeg",
                                                     ".tif", ".tiff", ".bmp"};
  if (path.filename().string().starts_with('.')) {
    return false;
  }
  const auto ending = ascii_lower(path.extension().string());
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

Source source_of(const Manifest& manifest) {
  return {manifest.path, true, sha256_file(manifest.path), records_of(manifest)};
}

Source read_source(const fs::path& path, const std::string& split) {
  std::error_code error;
  Source source;
  source.path = path;
  if (!fs::exists(path, error)) {
    throw Error(ErrorCode::kData, path.string(), "there is no such folder or manifest",
                "give a folder of pictures or a manifest (.jsonl)");
  }
  source.is_manifest = !fs::is_directory(path, error) || has_manifest(path);
  if (source.is_manifest) {
    ManifestOptions options;
    options.allow_outside = true;
    source.path = find_manifest(path, split);
    source = source_of(read_manifest(source.path, options));
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
  const Matcher matcher(generated, reference, masks);
  Collection out;
  for (const auto& made : generated.items) {
    EvaluationItem item{made.name,    made.image,      std::nullopt,
                        std::nullopt, made.spacing_mm, made.image};
    if (auto problem = matcher.fill(made, item); !problem.empty()) {
      out.skipped.push_back({made.name, std::move(problem)});
    } else {
      out.items.push_back(std::move(item));
    }
  }
  if (out.items.empty()) {
    throw Error(ErrorCode::kData, generated.path.string(),
                concat({"none of the ", std::to_string(generated.items.size()),
                        " images can be matched; the first, ", printable(out.skipped.front().name),
                        ": ", out.skipped.front().reason}),
                reference != nullptr
                    ? "images are matched by file name, or by source_line when both are manifests; "
                      "--unpaired compares the sets only"
                    : "images and masks are matched by file name, or by source_line when both are "
                      "manifests");
  }
  return out;
}

}  // namespace medaug
