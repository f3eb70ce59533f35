// SPDX-License-Identifier: MIT
#include "config/writer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

namespace medaug {
namespace {

constexpr std::size_t kCommentColumn = 40;

std::string escaped_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

std::string default_text(const FieldInfo& field) {
  return field.required ? "required" : std::string("`").append(field.value.dump()).append("`");
}

std::string json_type(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return "boolean";
    case FieldType::kInteger:
      return "integer";
    case FieldType::kReal:
      return "number";
    case FieldType::kText:
    case FieldType::kChoice:
      break;
  }
  return "string";
}

Json bound(double value) {
  return std::trunc(value) == value ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

Json element_schema(const FieldInfo& field) {
  Json schema;
  schema["type"] = json_type(field.type);
  if (field.nullable) {
    schema["type"] = {json_type(field.type), "null"};
  }
  if (!field.choices.empty()) {
    schema["enum"] = field.choices;
  }
  if (std::isfinite(field.min)) {
    schema["minimum"] = bound(field.min);
  }
  if (std::isfinite(field.max)) {
    schema["maximum"] = bound(field.max);
  }
  return schema;
}

Json field_schema(const FieldInfo& field) {
  Json schema = element_schema(field);
  if (field.is_list) {
    schema = Json{{"type", "array"}, {"items", std::move(schema)}};
  }
  schema["description"] = field.help;
  if (!field.required) {
    schema["default"] = field.value;
  }
  return schema;
}

}  // namespace

std::string config_yaml(std::span<const FieldInfo> fields) {
  std::string out;
  std::string section;
  for (const auto& field : fields) {
    if (field.section != section) {
      section = field.section;
      out.append(out.empty() ? "" : "\n").append(section).append(":\n");
    }
    // JSON is YAML: quoted text, numbers and lists read back alike.
    auto line = std::string("  ").append(field.name).append(": ").append(field.value.dump());
    line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
    out += line + "# " + field.help + " (" + field.allowed() + ")\n";
  }
  return out;
}

std::string config_markdown(std::span<const FieldInfo> fields, std::span<const KeyAlias> aliases) {
  std::string out;
  std::string section;
  for (const auto& field : fields) {
    if (field.section != section) {
      section = field.section;
      out +=
          "\n## " + section + "\n\n| key | default | allowed | what it is |\n|---|---|---|---|\n";
    }
    out += "| `" + field.name + "` | " + escaped_cell(default_text(field)) + " | " +
           escaped_cell(field.allowed()) + " | " + escaped_cell(field.help) + " |\n";
  }
  if (!aliases.empty()) {
    out += "\n## Other names that are accepted\n\n| written as | means |\n|---|---|\n";
  }
  for (const auto& alias : aliases) {
    out += "| `" + alias.from + "` | `" + alias.to + "` |\n";
  }
  return out;
}

Json config_schema(std::span<const FieldInfo> fields, std::span<const KeyAlias> aliases) {
  Json sections = Json::object();
  const auto section_of = [&](const std::string& name) -> Json& {
    auto& schema = sections[name];
    schema["type"] = "object";
    schema["additionalProperties"] = false;
    return schema;
  };
  for (const auto& field : fields) {
    section_of(field.section)["properties"][field.name] = field_schema(field);
  }
  for (const auto& alias : aliases) {
    const Json schema{{"description", "older name of " + alias.to}};
    const auto dot = alias.from.find('.');
    if (dot == std::string::npos) {
      sections[alias.from] = schema;
    } else {
      section_of(alias.from.substr(0, dot))["properties"][alias.from.substr(dot + 1)] = schema;
    }
  }
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "medaug config"},
          {"type", "object"},
          {"additionalProperties", false},
          {"properties", std::move(sections)}};
}

std::string config_help(const FieldInfo& field, std::span<const KeyAlias> aliases) {
  auto out = field.key() + "\n  " + field.help + "\n  allowed: " + field.allowed() + "\n";
  out += field.required ? "  required\n" : "  default: " + field.value.dump() + "\n";
  for (const auto& alias : aliases) {
    if (alias.to == field.key()) {
      out += "  also written as: " + alias.from + "\n";
    }
  }
  return out;
}

}  // namespace medaug
