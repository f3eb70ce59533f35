// SPDX-License-Identifier: MIT
#include "evaluation/labels.h"

#include <algorithm>
#include <map>

#include "base/ascii.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "config/concat.h"
#include "data/pair.h"
#include "text/caption.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostMapBytes = 1 << 20;
constexpr const char* kMapForm = R"(a label map is {"class name": ["word", "other word"], ...})";

/// Letters and digits of scripts that part words by spaces.
bool belongs_to_word(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  const bool mark = (c >= 0x80 && c < 0xC0) || (c >= 0x2000 && c < 0x2C00);
  const bool without_spaces = c >= 0x2E80;  // Chinese, Japanese, Korean, full-width signs
  return !mark && !without_spaces;
}

char32_t character_at(const std::string& text, std::size_t at) {
  return decode_utf8(text, at).value;
}

char32_t character_before(const std::string& text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) {
    --begin;
  }
  return character_at(text, begin);
}

bool has_word(const std::string& text, const std::string& word) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    const bool goes_on_before = at > 0 && belongs_to_word(character_before(text, at)) &&
                                belongs_to_word(character_at(word, 0));
    const bool goes_on_behind = end < text.size() && belongs_to_word(character_at(text, end)) &&
                                belongs_to_word(character_before(word, word.size()));
    if (!goes_on_before && !goes_on_behind) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> words_in(const Json& json, const std::string& where,
                                  const std::string& name) {
  const bool is_list = json.is_array() && std::all_of(json.begin(), json.end(),
                                                      [](const auto& w) { return w.is_string(); });
  if (!is_list) {
    throw Error(ErrorCode::kData, where,
                concat({"class '", printable(name), "' must be a list of words"}), kMapForm);
  }
  return json.get<std::vector<std::string>>();
}

/// What is wrong with the class of one record, or "".
std::string trouble_of(const Record& record, const LabelOptions& options,
                       const std::vector<std::int64_t>& found) {
  if (found.size() == 1) {
    return {};
  }
  if (!options.map) {
    return "the record has no 'label'";
  }
  if (found.empty()) {
    return concat({"the caption has no word of the label map: '", printable(record.caption), "'"});
  }
  std::vector<std::string> names;
  for (const auto index : found) {
    names.push_back(printable(options.map->name(index)));
  }
  return concat({"the caption has words of several classes (", join(names, ", "), "): '",
                 printable(record.caption), "'"});
}

std::vector<std::int64_t> labels_of(const Record& record, const LabelOptions& options) {
  if (options.map) {
    return options.map->classes_in(record.caption);
  }
  return record.label ? std::vector{*record.label} : std::vector<std::int64_t>{};
}

Error without_class(const std::string& where, const std::string& first, std::int64_t count,
                    const LabelOptions& options) {
  const auto more = count == 1
                        ? std::string()
                        : concat({" (and ", std::to_string(count - 1), " more such records)"});
  return {ErrorCode::kData, where, first + more,
          options.map ? "add words to the label map, or leave such records out: --skip-unlabelled"
                      : "give every record a 'label' (0, 1, ...), or name words of the captions: "
                        "--label-map FILE.json; --skip-unlabelled leaves such records out"};
}

}  // namespace

LabelMap::LabelMap(Classes classes, const std::string& where) : classes_(std::move(classes)) {
  if (classes_.size() < 2) {
    throw Error(ErrorCode::kData, where, "a label map needs at least two classes", kMapForm);
  }
  std::map<std::string, std::string> owner;
  for (auto& [name, words] : classes_) {
    if (words.empty()) {
      throw Error(ErrorCode::kData, where, concat({"class '", printable(name), "' has no words"}),
                  kMapForm);
    }
    for (auto& word : words) {
      word = ascii_lower(normalize_caption(word, where, ErrorCode::kData));
      if (word.empty()) {
        throw Error(ErrorCode::kData, where,
                    concat({"class '", printable(name), "' has an empty word"}), kMapForm);
      }
      const auto [other, is_new] = owner.emplace(word, name);
      if (!is_new && other->second != name) {
        throw Error(ErrorCode::kData, where,
                    concat({"'", printable(word), "' stands for two classes, '",
                            printable(other->second), "' and '", printable(name), "'"}),
                    "a word belongs to one class");
      }
    }
  }
}

LabelMap LabelMap::load(const fs::path& path) {
  const auto json = parse_json(read_file(path, kMostMapBytes, ErrorCode::kData), path.string());
  if (!json.is_object()) {
    throw Error(ErrorCode::kData, path.string(), "is no label map", kMapForm);
  }
  Classes classes;
  for (const auto& [name, words] : json.items()) {
    classes.emplace_back(name, words_in(words, path.string(), name));
  }
  return {std::move(classes), path.string()};
}

std::vector<std::int64_t> LabelMap::classes_in(const std::string& caption) const {
  const auto text = ascii_lower(normalize_caption(caption));
  std::vector<std::int64_t> found;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    const auto& words = classes_[i].second;
    if (std::any_of(words.begin(), words.end(),
                    [&](const std::string& word) { return has_word(text, word); })) {
      found.push_back(static_cast<std::int64_t>(i));
    }
  }
  return found;
}

LabelledManifest read_labelled(const fs::path& path, const ManifestOptions& reading,
                               const LabelOptions& options) {
  auto manifest = read_manifest(path, reading);
  LabelledManifest out{{manifest.path, manifest.root, {}}, {}, {}, 0};
  std::string first, where;
  for (auto& record : manifest.records) {
    const auto found = labels_of(record, options);
    const auto trouble = trouble_of(record, options, found);
    if (!trouble.empty()) {
      first = first.empty() ? trouble : first;
      where = where.empty() ? place_of(manifest, record) : where;
      ++out.skipped;
      continue;
    }
    record.mask_path.reset();
    record.caption.clear();
    out.labels.push_back(found.front());
    out.names.push_back(options.map ? options.map->name(found.front())
                                    : std::to_string(found.front()));
    out.manifest.records.push_back(std::move(record));
  }
  if (out.skipped > 0 && (!options.skip_unlabelled || out.labels.empty())) {
    throw without_class(where, first, out.skipped, options);
  }
  return out;
}

ClassList classes_of(const LabelledManifest& train) {
  std::map<std::int64_t, std::string> classes;
  for (std::size_t i = 0; i < train.labels.size(); ++i) {
    classes.emplace(train.labels[i], train.names[i]);
  }
  ClassList out;
  for (const auto& [label, name] : classes) {
    out.labels.push_back(label);
    out.names.push_back(name);
  }
  if (out.size() < 2) {
    throw Error(ErrorCode::kData, train.manifest.path.string(),
                concat({"all ", std::to_string(train.labels.size()), " images are of one class, ",
                        printable(out.names.front())}),
                "a classifier needs images of at least two classes");
  }
  return out;
}

std::vector<std::int64_t> class_indices(const LabelledManifest& manifest,
                                        const ClassList& classes) {
  std::vector<std::int64_t> indices;
  for (std::size_t i = 0; i < manifest.labels.size(); ++i) {
    const auto found = std::find(classes.labels.begin(), classes.labels.end(), manifest.labels[i]);
    if (found == classes.labels.end()) {
      std::vector<std::string> known;
      for (const auto& name : classes.names) {
        known.push_back(printable(name));
      }
      throw Error(ErrorCode::kData, place_of(manifest.manifest, manifest.manifest.records[i]),
                  concat({"class '", printable(manifest.names[i]),
                          "' does not occur in the original data (", join(known, ", "), ")"}),
                  "a classifier cannot know a class that it never saw: add images of it, or leave "
                  "these out");
    }
    indices.push_back(found - classes.labels.begin());
  }
  return indices;
}

}  // namespace medaug
