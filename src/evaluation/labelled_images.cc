// SPDX-License-Identifier: MIT
#include "evaluation/labelled_images.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/dataset_view.h"

namespace medaug {
namespace {

/// SHA-256 of the pixels.
std::string fingerprint(const Dataset& data, std::int64_t index) {
  const auto image = data.image(index).contiguous();
  return sha256({reinterpret_cast<const char*>(image.const_data_ptr()), image.nbytes()});
}

/// Where each picture and each group stands first.
struct Places {
  std::unordered_map<std::string, std::int64_t> pictures, groups;

  explicit Places(const LabelledImages& images) {
    for (std::int64_t i = 0; i < images.size(); ++i) {
      pictures.emplace(fingerprint(*images.data, i), i);
      if (const auto& group = images.data->record(i).group; !group.empty()) {
        groups.emplace(group, i);
      }
    }
  }
};

std::string place_in(const LabelledImages& images, std::int64_t index) {
  return concat({printable(images.name), ":", std::to_string(images.data->record(index).line)});
}

/// Counts what leaks and keeps the first.
struct Leaks {
  std::int64_t count = 0;
  std::string where, what;

  void add(const std::string& place, std::string_view kind, const std::string& other) {
    if (count++ == 0) {
      where = place;
      what = concat({kind, other});
    }
  }
  void refuse(const char* hint) const {
    if (count > 0) {
      const auto more =
          count == 1 ? std::string() : concat({" (and ", std::to_string(count - 1), " more)"});
      throw Error(ErrorCode::kData, where, what + more, hint);
    }
  }
};

}  // namespace

LabelledImages read_images(const LabelledManifest& manifest, const ClassList& classes,
                           PreprocessOptions& preprocess, int threads) {
  LabelledImages out{manifest.manifest.path.string(), nullptr, class_indices(manifest, classes),
                     manifest.skipped};
  out.data = Dataset::load(manifest.manifest, preprocess, threads);
  return out;
}

LabelledImages chosen(const LabelledImages& from, const std::vector<std::int64_t>& indices) {
  std::vector<DatasetView::Choice> choices;
  LabelledImages out{from.name, nullptr, {}, from.skipped};
  for (const auto i : indices) {
    choices.push_back({from.data, i});
    out.classes.push_back(from.classes[static_cast<std::size_t>(i)]);
  }
  out.data = std::make_shared<DatasetView>(std::move(choices));
  return out;
}

std::vector<std::vector<std::size_t>> resampling_units(const LabelledImages& images) {
  std::map<std::string, std::size_t> known;
  std::vector<std::vector<std::size_t>> units;
  for (std::int64_t i = 0; i < images.size(); ++i) {
    const auto& group = images.data->record(i).group;
    const auto [found, is_new] = known.emplace(group, units.size());
    if (is_new || group.empty()) {
      units.emplace_back();
    }
    const auto unit = group.empty() ? units.size() - 1 : found->second;
    units[unit].push_back(static_cast<std::size_t>(i));
  }
  return units;
}

LabelledImages joined(const LabelledImages& a, const LabelledImages& b) {
  std::vector<DatasetView::Choice> choices;
  for (const auto* const part : {&a, &b}) {
    for (std::int64_t i = 0; i < part->size(); ++i) {
      choices.push_back({part->data, i});
    }
  }
  LabelledImages out{a.name, std::make_shared<DatasetView>(std::move(choices)), a.classes,
                     a.skipped + b.skipped};
  out.classes.insert(out.classes.end(), b.classes.begin(), b.classes.end());
  return out;
}

LabelledImages without_copies(const LabelledImages& a, const LabelledImages& b) {
  const Places known(b);
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if (!known.pictures.contains(fingerprint(*a.data, i))) {
      kept.push_back(i);
    }
  }
  return chosen(a, kept);
}

LabelledImages without_originals(const LabelledImages& images) {
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < images.size(); ++i) {
    if (!is_original(images.data->record(i))) {
      kept.push_back(i);
    }
  }
  return chosen(images, kept);
}

LabelledImages balanced(const LabelledImages& images, std::int64_t classes) {
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < images.size(); ++i) {
    members[static_cast<std::size_t>(images.classes[static_cast<std::size_t>(i)])].push_back(i);
  }
  std::size_t most = 0;
  for (const auto& one : members) {
    most = std::max(most, one.size());
  }
  std::vector<std::int64_t> indices;
  for (const auto& one : members) {
    for (std::size_t i = 0; i < most && !one.empty(); ++i) {
      indices.push_back(one[i % one.size()]);
    }
  }
  return chosen(images, indices);
}

std::vector<std::int64_t> class_counts(const LabelledImages& images, std::int64_t classes) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(classes), 0);
  for (const auto one : images.classes) {
    ++counts.at(static_cast<std::size_t>(one));
  }
  return counts;
}

void refuse_leaks(const LabelledImages& train, const LabelledImages& held_out) {
  const Places known(train);
  Leaks pictures, groups;
  for (std::int64_t i = 0; i < held_out.size(); ++i) {
    const auto picture = known.pictures.find(fingerprint(*held_out.data, i));
    if (picture != known.pictures.end()) {
      pictures.add(place_in(held_out, i), "the same picture as at ",
                   place_in(train, picture->second));
    }
    const auto& name = held_out.data->record(i).group;
    const auto group = known.groups.find(name);
    if (group != known.groups.end()) {
      groups.add(place_in(held_out, i), concat({"group '", printable(name), "' stands also at "}),
                 place_in(train, group->second));
    }
  }
  pictures.refuse(
      "a picture belongs to one split: remove it from the other; 'medaug check data' "
      "lists all of them");
  groups.refuse("split by patient: a group belongs to one split");
}

}  // namespace medaug
