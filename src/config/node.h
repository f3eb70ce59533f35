// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

/// Where a key or value was written.
struct ConfigPlace {
  std::shared_ptr<const std::string> source;  ///< file name, or "--set key=value"
  int line = 0;                               ///< from 1; 0 = the source as a whole
  int column = 0;                             ///< from 1, bytes

  /// "configs/train.yaml:14:3", "--set a.b=c", or "" when unknown
  std::string str() const;
};

struct ConfigEntry;

/// One value of a config tree. Scalars keep their text: what type they are is decided by the field
/// they fill.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  ConfigPlace place;
  std::string text;                  ///< kScalar
  bool quoted = false;               ///< kScalar: written in quotes or as a block, so always text
  std::vector<ConfigNode> items;     ///< kList
  std::vector<ConfigEntry> entries;  ///< kMap, in the order of the file, keys unique

  /// The value of `key` in a map, or null.
  const ConfigNode* find(std::string_view key) const;
  ConfigNode* find(std::string_view key);
};

struct ConfigEntry {
  std::string key;
  ConfigPlace place;  ///< of the key
  ConfigNode value;
};

/// "a number", "text", "a list", ...: what a node holds, for messages.
std::string describe_node(const ConfigNode& node);

}  // namespace medaug
