// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "config/document.h"
#include "config/field_info.h"

namespace medaug {

/// One thing wrong with a config.
struct ConfigProblem {
  std::string where;
  std::string message;
  std::string hint;
};

/// Fills options structs from the sections of a document through their field tables. Problems are
/// gathered, so that one run names them all; `finish()` throws them.
///
///   ConfigReader read(document, aliases);
///   read("flow", flow_options);   // several structs may share a section
///   read.finish();
class ConfigReader {
 public:
  /// @param aliases  only for suggestions: older names that are accepted
  explicit ConfigReader(const ConfigDocument& document, std::span<const KeyAlias> aliases = {});

  template <class Options>
  void operator()(std::string_view section, Options& options) {
    enter(section);
    describe(*this, options);
  }

  template <class T>
  void operator()(const Field& field, T& value) {
    const auto& info = fields_.emplace_back(make_field_info(section_, field, value));
    if (const ConfigNode* const node = value_of(info)) {
      read(info, *node, value);
    }
  }

  /// @throws Error kConfig with all problems: wrong values, unknown keys and sections (near names
  /// suggested), missing required keys. `where` and `message` are those of the first.
  void finish();

 private:
  template <class T>
  void read(const FieldInfo& info, const ConfigNode& node, T& value) {
    if constexpr (NamedEnum<T>) {
      if (const auto name = choice(info, node)) {
        value = *enum_from_name<T>(*name);
      }
    } else if constexpr (std::is_same_v<T, bool>) {
      value = boolean(info, node).value_or(value);
    } else if constexpr (std::is_integral_v<T>) {
      read_integer(info, node, value);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(real(info, node).value_or(value));
    } else {
      value = text(info, node).value_or(value);
    }
  }

  template <class T>
  void read_integer(const FieldInfo& info, const ConfigNode& node, T& value) {
    const auto parsed = integer(info, node);
    if (!parsed) {
      return;
    }
    if (!std::in_range<T>(*parsed)) {
      add_value_problem(info, node, "is out of range");
      return;
    }
    value = static_cast<T>(*parsed);
  }

  template <class T>
  void read(const FieldInfo& info, const ConfigNode& node, std::optional<T>& value) {
    value.reset();
    if (node.kind != ConfigNode::Kind::kNull) {
      read(info, node, value.emplace());
    }
  }

  template <class T>
  void read(const FieldInfo& info, const ConfigNode& node, std::vector<T>& value) {
    if (!is_list(info, node)) {
      return;
    }
    value.clear();
    for (const auto& item : node.items) {
      read(info, item, value.emplace_back());
    }
  }

  void enter(std::string_view section);
  const ConfigNode* value_of(const FieldInfo& info);
  std::optional<bool> boolean(const FieldInfo& info, const ConfigNode& node);
  std::optional<std::int64_t> integer(const FieldInfo& info, const ConfigNode& node);
  std::optional<double> real(const FieldInfo& info, const ConfigNode& node);
  std::optional<std::string> text(const FieldInfo& info, const ConfigNode& node);
  std::optional<std::string> choice(const FieldInfo& info, const ConfigNode& node);
  bool is_list(const FieldInfo& info, const ConfigNode& node);
  bool is_plain_scalar(const FieldInfo& info, const ConfigNode& node);
  bool in_range(const FieldInfo& info, const ConfigNode& node, double value);
  void add_value_problem(const FieldInfo& info, const ConfigNode& node, const std::string& fault);
  void find_unknown_sections();
  void find_unknown_keys();
  void add_unknown_key(const std::string& section, const ConfigEntry& entry);

  const ConfigDocument& document_;
  std::vector<KeyAlias> aliases_;
  std::string section_;
  const ConfigNode* map_ = nullptr;
  std::vector<std::string> sections_;
  std::vector<FieldInfo> fields_;
  std::vector<ConfigProblem> problems_;
};

/// @throws Error kConfig holding all of them, when there are any
void throw_problems(std::span<const ConfigProblem> problems);

}  // namespace medaug
