// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/document.h"
#include "config/field_info.h"

namespace medaug {

/// A config with every key, its present value and its help as a comment. Reading it back gives the
/// same options.
std::string config_yaml(std::span<const FieldInfo> fields);

/// Reference page in Markdown: one table per section, then the older names that are accepted.
std::string config_markdown(std::span<const FieldInfo> fields, std::span<const KeyAlias> aliases);

/// JSON Schema (draft 2020-12) of a config file.
Json config_schema(std::span<const FieldInfo> fields, std::span<const KeyAlias> aliases);

/// What `medaug help config section.key` prints: help, allowed values, default.
std::string config_help(const FieldInfo& field, std::span<const KeyAlias> aliases);

}  // namespace medaug
