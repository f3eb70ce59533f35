// SPDX-License-Identifier: MIT
#include "config/node.h"

#include "base/strings.h"
#include "config/scalar.h"

namespace medaug {

std::string ConfigPlace::str() const {
  if (!source) {
    return {};
  }
  if (line == 0) {
    return *source;
  }
  return *source + ":" + std::to_string(line) + ":" + std::to_string(column);
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) {
      return &entry.value;
    }
  }
  return nullptr;
}

ConfigNode* ConfigNode::find(std::string_view key) {
  return const_cast<ConfigNode*>(static_cast<const ConfigNode*>(this)->find(key));
}

std::string describe_node(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "nothing (null)";
    case ConfigNode::Kind::kList:
      return "a list";
    case ConfigNode::Kind::kMap:
      return "a section of keys";
    case ConfigNode::Kind::kScalar:
      break;
  }
  const auto text = printable(node.text, 60);
  if (node.quoted) {
    return "the quoted text \"" + text + "\"";
  }
  if (parse_yaml_real(node.text).value || parse_yaml_bool(node.text)) {
    return text;
  }
  return "the text '" + text + "'";
}

}  // namespace medaug
