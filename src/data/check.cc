// SPDX-License-Identifier: MIT
#include "data/check.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/strings.h"
#include "data/check_record.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using internal::Finding;

constexpr std::size_t kChunk = 256;  // records in memory at a time

/// Where a path or a picture was seen first.
struct Place {
  std::size_t manifest = 0;
  std::int64_t line = 0;
};

class Checker {
 public:
  explicit Checker(const CheckOptions& options) : options_(options) {}

  void run(const fs::path& path);
  DataReport finish();

 private:
  struct Item {
    Record record;
    std::string where;
    Finding finding;
  };

  ManifestReport& current() { return report_.manifests.back(); }
  std::string name_of(const Place& place) const {
    return printable(report_.manifests[place.manifest].path.string(), 400) + ":" +
           std::to_string(place.line);
  }

  void error(DataProblem problem) { keep(report_.errors, std::move(problem)); }
  void warning(DataProblem problem) { keep(report_.warnings, std::move(problem)); }
  void keep(ProblemList& list, DataProblem problem) const {
    ++list.count;
    if (list.listed.size() < options_.max_listed) {
      list.listed.push_back(std::move(problem));
    }
  }

  bool fill(ManifestReader& reader, std::vector<Item>& items);
  void look_at_all(std::vector<Item>& items) const;
  void count(const Item& item);
  void count_picture(const Finding& finding);
  void count_mask(const Record& record, const Finding& finding);
  void compare(const Item& item);
  void compare_groups();
  void summarise(const ManifestReport& manifest);

  CheckOptions options_;
  DataReport report_;
  std::unordered_map<std::string, Place> paths_;
  std::unordered_map<std::uint64_t, Place> pictures_;
  std::unordered_set<std::size_t> captions_;
};

bool Checker::fill(ManifestReader& reader, std::vector<Item>& items) {
  items.clear();
  while (items.size() < kChunk) {
    try {
      auto record = reader.next();
      if (!record) {
        return false;
      }
      std::string where =
          printable(current().path.string(), 400) + ":" + std::to_string(record->line);
      items.push_back({std::move(*record), std::move(where), {}});
    } catch (const Error& e) {
      ++current().bad;
      error({e.where(), e.message(), e.hint()});
    }
  }
  return true;
}

void Checker::look_at_all(std::vector<Item>& items) const {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < items.size(); i = next++) {
      items[i].finding = internal::look_at(items[i].record, items[i].where, options_);
    }
  };
  std::vector<std::jthread> pool;
  for (int t = 1; t < options_.threads; ++t) {
    pool.emplace_back(work);
  }
  work();
}

void Checker::count_picture(const Finding& finding) {
  ManifestReport& to = current();
  const bool first = to.records == 0;
  ++to.records;
  ++to.kinds[finding.kind];
  to.min_width = first ? finding.width : std::min(to.min_width, finding.width);
  to.max_width = std::max(to.max_width, finding.width);
  to.min_height = first ? finding.height : std::min(to.min_height, finding.height);
  to.max_height = std::max(to.max_height, finding.height);
}

void Checker::count_mask(const Record& record, const Finding& finding) {
  ManifestReport& to = current();
  to.without_mask += record.mask_path ? 0 : 1;
  to.empty_masks += record.mask_path && finding.classes.empty() ? 1 : 0;
  for (const auto& found : finding.classes) {
    ClassStatistics& c = to.classes[found.name];
    ++c.masks;
    c.share_sum += found.share;
    c.share_min = std::min(c.share_min, found.share);
    c.share_max = std::max(c.share_max, found.share);
    c.lost += found.lost ? 1 : 0;
  }
}

void Checker::count(const Item& item) {
  ManifestReport& to = current();
  if (item.finding.error) {
    ++to.bad;
    error(*item.finding.error);
    return;
  }
  for (const auto& problem : item.finding.warnings) {
    warning(problem);
  }
  count_picture(item.finding);
  count_mask(item.record, item.finding);
  to.empty_captions += item.record.caption.empty() ? 1 : 0;
  captions_.insert(std::hash<std::string>{}(item.record.caption));
  if (item.record.label) {
    ++to.labels[*item.record.label];
  } else {
    ++to.without_label;
  }
  if (!item.record.group.empty()) {
    to.groups.insert(item.record.group);
  }
  compare(item);
}

void Checker::compare(const Item& item) {
  const Place here{report_.manifests.size() - 1, item.record.line};
  std::error_code ignored;
  const fs::path real = fs::weakly_canonical(item.record.image_path, ignored);
  const auto [path, new_path] = paths_.emplace(real.string(), here);
  const auto [picture, new_picture] = pictures_.emplace(item.finding.pixel_hash, here);
  if (new_path && new_picture) {
    return;
  }
  const Place& other = new_path ? picture->second : path->second;
  const std::string what = new_path ? "the same pixels as at " : "the same image as at ";
  if (other.manifest == here.manifest) {
    warning({item.where, what + name_of(other), "it counts twice in training"});
  } else {
    error({item.where, what + name_of(other),
           "a picture must not stand in two splits: remove it from one"});
  }
}

void Checker::compare_groups() {
  for (std::size_t b = 1; b < report_.manifests.size(); ++b) {
    for (std::size_t a = 0; a < b; ++a) {
      for (const auto& group : report_.manifests[b].groups) {
        if (report_.manifests[a].groups.contains(group)) {
          error({printable(report_.manifests[b].path.string(), 400),
                 "group '" + printable(group) + "' stands also in " +
                     printable(report_.manifests[a].path.string(), 400),
                 "split by patient: a group belongs to one split"});
        }
      }
    }
  }
}

void Checker::summarise(const ManifestReport& manifest) {
  const std::string where = printable(manifest.path.string(), 400);
  if (manifest.records + manifest.bad == 0) {
    error({where, "the manifest has no records", "it needs one JSON object per line"});
  }
  for (const auto& text : manifest.unknown_fields) {
    warning({"", text, ""});
  }
  const std::int64_t masks = manifest.records - manifest.without_mask;
  if (masks > 0 && manifest.empty_masks == masks) {
    warning({where, "every mask is empty", "background is 0: are the labels stored another way?"});
  }
  if (manifest.classes.contains("1") && manifest.classes.contains("255")) {
    warning({where, "some masks store the class as 1, others as 255", "both are understood"});
  }
  if (manifest.kinds.size() > 1) {
    warning(
        {where, "pictures of several kinds are mixed", "they are brought to one; see 'pictures'"});
  }
  for (const auto& [name, c] : manifest.classes) {
    if (c.masks > 2 && c.share_sum / static_cast<double>(c.masks) > 0.5) {
      warning({where, "class " + name + " covers more than half of the average picture",
               "the masks may be inverted: background is 0"});
    }
  }
}

void Checker::run(const fs::path& path) {
  ManifestReader reader(path, options_.manifest);
  report_.manifests.emplace_back();
  current().path = path;
  current().root = reader.root();
  captions_.clear();
  std::vector<Item> items;
  for (bool more = true; more;) {
    more = fill(reader, items);
    look_at_all(items);
    for (const auto& item : items) {
      count(item);
    }
  }
  current().captions = std::ssize(captions_);
  current().unknown_fields = reader.warnings();
  summarise(current());
}

DataReport Checker::finish() {
  compare_groups();
  return std::move(report_);
}

}  // namespace

DataReport check_data(const std::vector<fs::path>& manifests, const CheckOptions& options) {
  Checker checker(options);
  for (const auto& path : manifests) {
    checker.run(path);
  }
  return checker.finish();
}

}  // namespace medaug
