// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "config/node.h"

namespace medaug {

/// What a YAML text may be. Configs are small; anything beyond this is a mistake or an attack.
struct YamlLimits {
  std::size_t max_bytes = 1 << 20;
  int max_depth = 32;
  int max_nodes = 20'000;
};

/// Parses one YAML 1.2 document into a tree with places. Anchors, aliases, tags, duplicate keys, a
/// second document, tab indentation, control characters and anything but UTF-8 are refused. A byte
/// order mark and CRLF are fine.
/// @param source  what messages call the text: its path, or "--set key=value"
/// @throws Error kConfig with line and column
ConfigNode parse_yaml(std::string_view text, const std::string& source,
                      const YamlLimits& limits = {});

}  // namespace medaug
