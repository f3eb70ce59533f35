// SPDX-License-Identifier: MIT
#include "config/document.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "config/concat.h"
#include "config/yaml.h"

namespace medaug {
namespace {

constexpr std::string_view kStartHint =
    "start from one of configs/*.yaml; 'medaug help config' lists every key";
constexpr std::string_view kOverridePrefix = "--set ";

[[noreturn]] void fail(std::string_view where, std::string_view message, std::string_view hint) {
  throw Error(ErrorCode::kConfig, where, message, hint);
}

/// "a.b" -> ("a", "b"); "a" -> ("", "a").
std::pair<std::string_view, std::string_view> split_key(std::string_view dotted) {
  const auto dot = dotted.rfind('.');
  if (dot == std::string_view::npos) {
    return {"", dotted};
  }
  return {dotted.substr(0, dot), dotted.substr(dot + 1)};
}

std::optional<ConfigEntry> take_entry(ConfigNode& map, std::string_view key) {
  const auto found = std::find_if(map.entries.begin(), map.entries.end(),
                                  [&](const ConfigEntry& e) { return e.key == key; });
  if (found == map.entries.end()) {
    return std::nullopt;
  }
  auto entry = std::move(*found);
  map.entries.erase(found);
  return entry;
}

std::string canonical_key(std::string_view key, std::span<const KeyAlias> aliases) {
  for (const auto& alias : aliases) {
    if (alias.from == key) {
      return alias.to;
    }
  }
  return std::string(key);
}

// stat() first: opening a FIFO would block, and a folder gives a confusing message.
void check_config_file(const std::filesystem::path& file, const std::string& name) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) {
    fail(name, errno == ENOENT ? "there is no such config file" : std::strerror(errno), kStartHint);
  }
  if (S_ISDIR(info.st_mode)) {
    fail(name, "is a folder, not a config file", kStartHint);
  }
  if (!S_ISREG(info.st_mode)) {
    fail(name, "is not a regular file", kStartHint);
  }
  if (info.st_size > static_cast<off_t>(YamlLimits{}.max_bytes)) {
    fail(name,
         concat({"has ", std::to_string(info.st_size), " bytes; a config has at most ",
                 std::to_string(YamlLimits{}.max_bytes)}),
         "is this another file?");
  }
}

struct Override {
  std::string key;
  ConfigEntry entry;
};

Override parse_override(const std::string& text, std::span<const KeyAlias> aliases) {
  const auto source = std::string(kOverridePrefix) + printable(text);
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail(source, "an override reads section.key=value", "for example --set training.batch_size=16");
  }
  const auto key = text.substr(0, equals);
  Override parsed{canonical_key(key, aliases), {}};
  auto& entry = parsed.entry;
  entry.value = parse_yaml(text.substr(equals + 1), source);
  // One line: its place is the override itself.
  entry.value.place.line = 0;
  for (auto& item : entry.value.items) {
    item.place.line = 0;
  }
  entry.place = entry.value.place;
  entry.key = std::string(split_key(parsed.key).second);
  return parsed;
}

}  // namespace

ConfigDocument::ConfigDocument() { root_.kind = ConfigNode::Kind::kMap; }

ConfigDocument ConfigDocument::load(const std::filesystem::path& file,
                                    std::span<const KeyAlias> aliases) {
  const auto name = printable(file.string());
  check_config_file(file, name);
  const auto text =
      read_file(file, static_cast<std::int64_t>(YamlLimits{}.max_bytes), ErrorCode::kConfig);
  auto document = parse(text, name, aliases);
  document.file_ = file;
  return document;
}

ConfigDocument ConfigDocument::parse(std::string_view text, const std::string& name,
                                     std::span<const KeyAlias> aliases) {
  ConfigDocument document;
  document.file_ = name;
  document.root_ = parse_yaml(text, name);
  const auto& root = document.root_;
  if (root.kind == ConfigNode::Kind::kNull) {
    fail(name, "the config is empty", kStartHint);
  }
  if (root.kind != ConfigNode::Kind::kMap) {
    fail(root.place.str(), "a config is a map of sections, but this is " + describe_node(root),
         kStartHint);
  }
  document.move_aliases(aliases);
  return document;
}

void ConfigDocument::apply_overrides(std::span<const std::string> overrides,
                                     std::span<const KeyAlias> aliases) {
  std::map<std::string, std::string> seen;
  for (const auto& text : overrides) {
    auto [key, entry] = parse_override(text, aliases);
    const auto place = entry.place.str();
    const auto [earlier, first] = seen.emplace(key, place);
    if (!first) {
      log_warning(place + " replaces " + earlier->second);
      earlier->second = place;
    }
    put(key, std::move(entry));
  }
}

void ConfigDocument::move_aliases(std::span<const KeyAlias> aliases) {
  for (const auto& alias : aliases) {
    const auto [section, key] = split_key(alias.from);
    ConfigNode* const map = section.empty() ? &root_ : root_.find(section);
    auto entry = map == nullptr ? std::nullopt : take_entry(*map, key);
    if (!entry) {
      continue;
    }
    if (const auto* const other = find(alias.to)) {
      fail(entry->place.str(),
           "'" + alias.from + "' is the older name of '" + alias.to + "', which is given too, at " +
               other->place.str(),
           "keep one of the two");
    }
    entry->key = std::string(split_key(alias.to).second);
    put(alias.to, std::move(*entry));
    if (!section.empty() && root_.find(section)->entries.empty()) {
      take_entry(root_, section);
    }
  }
}

void ConfigDocument::put(std::string_view dotted_key, ConfigEntry entry) {
  const auto [section, key] = split_key(dotted_key);
  ConfigNode* map = &root_;
  if (!section.empty()) {
    map = root_.find(section);
    if (map == nullptr) {
      ConfigEntry added{std::string(section), entry.place, {}};
      added.value.kind = ConfigNode::Kind::kMap;
      added.value.place = entry.place;
      root_.entries.push_back(std::move(added));
      map = &root_.entries.back().value;
    }
    if (map->kind == ConfigNode::Kind::kNull) {
      map->kind = ConfigNode::Kind::kMap;
    }
  }
  if (map->kind != ConfigNode::Kind::kMap) {
    fail(map->place.str(),
         "section '" + printable(section, 60) + "' must hold keys, but is " + describe_node(*map),
         "indent its keys below it");
  }
  take_entry(*map, key);
  map->entries.push_back(std::move(entry));
}

const ConfigNode* ConfigDocument::find(std::string_view dotted_key) const {
  const auto [section, key] = split_key(dotted_key);
  const ConfigNode* const map = section.empty() ? &root_ : root_.find(section);
  return map == nullptr ? nullptr : map->find(key);
}

std::string ConfigDocument::place_of(std::string_view dotted_key) const {
  const auto* const node = find(dotted_key);
  return node == nullptr ? printable(file_.string()) : node->place.str();
}

bool ConfigDocument::from_override(std::string_view dotted_key) const {
  const auto* const node = find(dotted_key);
  return node != nullptr && node->place.str().starts_with(kOverridePrefix);
}

}  // namespace medaug
