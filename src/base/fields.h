// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "nlohmann/json.hpp"

// The field table of an options struct: one template function beside the struct names every field
// once,
//
//   template <class Visitor>
//   void describe(Visitor& visit, SolverOptions& o) {
//     visit(Field{.name = "steps", .help = "solver steps", .min = 1, .max = 1000}, o.steps);
//   }
//
// and YAML, `--set`, checkpoint metadata, HTTP, Python and the reference page are all filled from
// it.

namespace medaug {

struct Field {
  const char* name;
  const char* help = "";
  double min = -std::numeric_limits<double>::infinity();  ///< inclusive
  double max = std::numeric_limits<double>::infinity();   ///< inclusive
  bool required = false;
};

/// Specialise for an enum: `static constexpr std::pair<E, std::string_view> kNames[]`.
template <class E>
struct EnumNames;

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires { EnumNames<E>::kNames; };

template <NamedEnum E>
std::string_view enum_name(E value) {
  for (const auto& [candidate, name] : EnumNames<E>::kNames) {
    if (candidate == value) {
      return name;
    }
  }
  return "?";
}

template <NamedEnum E>
std::optional<E> enum_from_name(std::string_view text) {
  for (const auto& [candidate, name] : EnumNames<E>::kNames) {
    if (name == text) {
      return candidate;
    }
  }
  return std::nullopt;
}

template <NamedEnum E>
std::vector<std::string> enum_choices() {
  std::vector<std::string> names;
  for (const auto& entry : EnumNames<E>::kNames) {
    names.emplace_back(entry.second);
  }
  return names;
}

using Json = nlohmann::ordered_json;

namespace internal {

struct ToJson {
  Json out = Json::object();
  template <class T>
  void operator()(const Field& field, T& value) {
    if constexpr (NamedEnum<T>) {
      out[field.name] = std::string(enum_name(value));
    } else if constexpr (requires { value.has_value(); }) {
      out[field.name] = value.has_value() ? Json(*value) : Json(nullptr);
    } else {
      out[field.name] = value;
    }
  }
};

struct FromJson {
  const Json& in;
  std::string where;
  template <class T>
  void operator()(const Field& field, T& value) {
    const auto found = in.find(field.name);
    if (found == in.end()) {
      return;  // written before this field existed: the default stands
    }
    try {
      read(*found, value);
    } catch (const nlohmann::json::exception& e) {
      throw Error(ErrorCode::kCheckpoint, where + "." + field.name, e.what());
    }
    if constexpr (std::is_arithmetic_v<T>) {
      const auto number = static_cast<double>(value);
      if (!(number >= field.min && number <= field.max)) {
        throw Error(ErrorCode::kCheckpoint, where + "." + field.name,
                    std::to_string(number) + " is out of range");
      }
    }
  }
  template <class T>
  void read(const Json& json, T& value) {
    if constexpr (NamedEnum<T>) {
      const auto name = json.get<std::string>();
      const auto parsed = enum_from_name<T>(name);
      if (!parsed) {
        throw Error(ErrorCode::kCheckpoint, where, "unknown value '" + name + "'",
                    "allowed: " + join(enum_choices<T>(), ", "));
      }
      value = *parsed;
    } else if constexpr (requires { value.has_value(); }) {
      if (json.is_null()) {
        value.reset();
      } else {
        value = json.get<typename T::value_type>();
      }
    } else {
      value = json.get<T>();
    }
  }
};

}  // namespace internal

/// An options struct as JSON, in the order of its field table.
template <class Options>
Json to_json(Options options) {
  internal::ToJson visit;
  describe(visit, options);
  return visit.out;
}

/// The reverse; absent fields keep their defaults, unknown ones are ignored (written by a later
/// version).
/// @throws Error kCheckpoint for a value of the wrong type or out of its field's range
template <class Options>
Options from_json(const Json& json, std::string_view where) {
  Options options;
  internal::FromJson visit{json, std::string(where)};
  describe(visit, options);
  return options;
}

}  // namespace medaug
