// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/fields.h"

namespace medaug {

enum class FieldType { kBool, kInteger, kReal, kText, kChoice };

/// One field of an options struct without its C++ type: what messages, the reference page and the
/// YAML writer need.
struct FieldInfo {
  std::string section;
  std::string name;
  std::string help;
  FieldType type = FieldType::kText;
  bool is_list = false;
  bool nullable = false;  ///< std::optional
  bool required = false;
  double min = 0.0;
  double max = 0.0;
  std::vector<std::string> choices;  ///< kChoice
  Json value;                        ///< the present value; the default in a reference

  std::string key() const { return section + "." + name; }
  /// "integer 1..4096", "one of bfloat16, float16, float32", "list of numbers"
  std::string allowed() const;
};

namespace internal {

template <class T>
constexpr FieldType field_type() {
  if constexpr (NamedEnum<T>) {
    return FieldType::kChoice;
  } else if constexpr (std::is_same_v<T, bool>) {
    return FieldType::kBool;
  } else if constexpr (std::is_integral_v<T>) {
    return FieldType::kInteger;
  } else if constexpr (std::is_floating_point_v<T>) {
    return FieldType::kReal;
  } else {
    static_assert(std::is_same_v<T, std::string>, "a field of this type cannot be configured");
    return FieldType::kText;
  }
}

template <class T>
struct ElementOf {
  using Type = T;
  static constexpr bool kList = false, kNullable = false;
};
template <class T>
struct ElementOf<std::vector<T>> {
  using Type = T;
  static constexpr bool kList = true, kNullable = false;
};
template <class T>
struct ElementOf<std::optional<T>> {
  using Type = T;
  static constexpr bool kList = false, kNullable = true;
};

}  // namespace internal

template <class T>
FieldInfo make_field_info(std::string_view section, const Field& field, T& value) {
  using Element = internal::ElementOf<T>;
  FieldInfo info;
  info.section = section;
  info.name = field.name;
  info.help = field.help;
  info.type = internal::field_type<typename Element::Type>();
  info.is_list = Element::kList;
  info.nullable = Element::kNullable;
  info.required = field.required;
  info.min = field.min;
  info.max = field.max;
  if constexpr (NamedEnum<typename Element::Type>) {
    info.choices = enum_choices<typename Element::Type>();
  }
  internal::ToJson to_json;
  to_json(field, value);
  info.value = to_json.out[field.name];
  return info;
}

/// Visits sections, each with `visit("section", options)`, and lists their fields in order.
class FieldLister {
 public:
  template <class Options>
  void operator()(std::string_view section, Options& options) {
    section_ = section;
    describe(*this, options);
  }
  template <class T>
  void operator()(const Field& field, T& value) {
    fields_.push_back(make_field_info(section_, field, value));
  }
  const std::vector<FieldInfo>& fields() const { return fields_; }

 private:
  std::string section_;
  std::vector<FieldInfo> fields_;
};

}  // namespace medaug
