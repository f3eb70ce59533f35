// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/node.h"

namespace medaug {

/// An accepted name of a key that now lives elsewhere: {"data.batch_size", "training.batch_size"}.
struct KeyAlias {
  std::string from;
  std::string to;
};

/// A config file as a tree of sections, with moved keys at their new place and `--set` values
/// written over it. Holds only text and places; types come with ConfigReader.
class ConfigDocument {
 public:
  /// An empty config: every default, then what `--set` says.
  ConfigDocument();

  /// @throws Error kConfig: missing, unreadable, a folder, empty, not YAML, not a map (see
  /// parse_yaml)
  static ConfigDocument load(const std::filesystem::path& file,
                             std::span<const KeyAlias> aliases = {});
  static ConfigDocument parse(std::string_view text, const std::string& name,
                              std::span<const KeyAlias> aliases = {});

  /// Writes `section.key=value` over the tree, in order. The last of two for one key wins, and that
  /// is logged.
  /// @throws Error kConfig when there is no `=`, no key, or a value that is not YAML
  void apply_overrides(std::span<const std::string> overrides,
                       std::span<const KeyAlias> aliases = {});

  const ConfigNode& root() const { return root_; }
  /// The node at "section.key", or null.
  const ConfigNode* find(std::string_view dotted_key) const;
  /// Where "section.key" was written, or the file when it was not.
  std::string place_of(std::string_view dotted_key) const;
  bool from_override(std::string_view dotted_key) const;
  /// Path of the file; empty when there is none.
  const std::filesystem::path& file() const { return file_; }

 private:
  void move_aliases(std::span<const KeyAlias> aliases);
  void put(std::string_view dotted_key, ConfigEntry entry);

  std::filesystem::path file_;
  ConfigNode root_;
};

}  // namespace medaug
