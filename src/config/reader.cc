// SPDX-License-Identifier: MIT
#include "config/reader.h"

#include <algorithm>

#include "base/strings.h"
#include "config/scalar.h"

namespace medaug {
namespace {

constexpr std::size_t kMostProblems = 20;
constexpr std::size_t kLongestText = 4096;
constexpr std::size_t kLongestList = 1024;

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
  const auto near = nearest(word, candidates);
  return near.empty() ? "" : " (did you mean '" + near + "'?)";
}

std::string default_of(const FieldInfo& info) {
  const bool none = info.value.is_null() || info.value == "" || info.value == Json::array();
  return none ? "" : "; default " + info.value.dump();
}

}  // namespace

ConfigReader::ConfigReader(const ConfigDocument& document, std::span<const KeyAlias> aliases)
    : document_(document), aliases_(aliases.begin(), aliases.end()) {}

void ConfigReader::enter(std::string_view section) {
  section_ = section;
  map_ = document_.root().find(section);
  const bool again = std::find(sections_.begin(), sections_.end(), section) != sections_.end();
  if (!again) {
    sections_.emplace_back(section);
  }
  if (map_ == nullptr || map_->kind == ConfigNode::Kind::kMap) {
    return;
  }
  if (!again && map_->kind != ConfigNode::Kind::kNull) {
    problems_.push_back(
        {map_->place.str(),
         "section '" + section_ + "' must hold keys, but is " + describe_node(*map_),
         "indent its keys below it, for example\n    " + section_ + ":\n      key: value"});
  }
  map_ = nullptr;
}

const ConfigNode* ConfigReader::value_of(const FieldInfo& info) {
  const ConfigNode* const node = map_ == nullptr ? nullptr : map_->find(info.name);
  const bool is_null = node != nullptr && node->kind == ConfigNode::Kind::kNull;
  if (info.required && (node == nullptr || is_null)) {
    problems_.push_back({is_null ? node->place.str() : document_.place_of(info.section),
                         "'" + info.key() + "' is required and has no value",
                         "set it to " + info.allowed() + " (" + info.help + ")"});
    return nullptr;
  }
  return node;
}

bool ConfigReader::is_plain_scalar(const FieldInfo& info, const ConfigNode& node) {
  if (node.kind == ConfigNode::Kind::kScalar && !node.quoted) {
    return true;
  }
  add_value_problem(info, node, "");
  return false;
}

bool ConfigReader::in_range(const FieldInfo& info, const ConfigNode& node, double value) {
  if (value >= info.min && value <= info.max) {
    return true;
  }
  add_value_problem(info, node, "is out of range");
  return false;
}

std::optional<bool> ConfigReader::boolean(const FieldInfo& info, const ConfigNode& node) {
  if (!is_plain_scalar(info, node)) {
    return std::nullopt;
  }
  const auto value = parse_yaml_bool(node.text);
  if (!value) {
    add_value_problem(info, node, "is not true or false");
  }
  return value;
}

std::optional<std::int64_t> ConfigReader::integer(const FieldInfo& info, const ConfigNode& node) {
  if (!is_plain_scalar(info, node)) {
    return std::nullopt;
  }
  const auto parsed = parse_yaml_integer(node.text);
  if (!parsed.value) {
    add_value_problem(info, node, parsed.fault);
    return std::nullopt;
  }
  const bool fits = in_range(info, node, static_cast<double>(*parsed.value));
  return fits ? parsed.value : std::nullopt;
}

std::optional<double> ConfigReader::real(const FieldInfo& info, const ConfigNode& node) {
  if (!is_plain_scalar(info, node)) {
    return std::nullopt;
  }
  const auto parsed = parse_yaml_real(node.text);
  if (!parsed.value) {
    add_value_problem(info, node, parsed.fault);
    return std::nullopt;
  }
  return in_range(info, node, *parsed.value) ? parsed.value : std::nullopt;
}

std::optional<std::string> ConfigReader::text(const FieldInfo& info, const ConfigNode& node) {
  if (node.kind == ConfigNode::Kind::kNull) {
    return "";
  }
  if (node.kind != ConfigNode::Kind::kScalar) {
    add_value_problem(info, node, "");
    return std::nullopt;
  }
  if (node.text.size() > kLongestText) {
    add_value_problem(info, node, "is longer than " + std::to_string(kLongestText) + " bytes");
    return std::nullopt;
  }
  if (node.text.find("${") != std::string::npos) {
    problems_.push_back(
        {node.place.str(),
         "variables like ${...} are not filled in: '" + info.key() + "' is " + describe_node(node),
         "write the value, or pass it with --set " + info.key() + "=..."});
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::string> ConfigReader::choice(const FieldInfo& info, const ConfigNode& node) {
  if (node.kind != ConfigNode::Kind::kScalar) {
    add_value_problem(info, node, "");
    return std::nullopt;
  }
  if (std::find(info.choices.begin(), info.choices.end(), node.text) == info.choices.end()) {
    problems_.push_back({node.place.str(),
                         "unknown value '" + printable(node.text, 60) + "' for '" + info.key() +
                             "'" + suggestion(node.text, info.choices),
                         "allowed: " + join(info.choices, ", ")});
    return std::nullopt;
  }
  return node.text;
}

bool ConfigReader::is_list(const FieldInfo& info, const ConfigNode& node) {
  if (node.kind != ConfigNode::Kind::kList) {
    add_value_problem(info, node, "");
    return false;
  }
  if (node.items.size() > kLongestList) {
    add_value_problem(info, node, "has more than " + std::to_string(kLongestList) + " entries");
    return false;
  }
  return true;
}

void ConfigReader::add_value_problem(const FieldInfo& info, const ConfigNode& node,
                                     const std::string& fault) {
  auto message = "'" + info.key() + "' is " + describe_node(node);
  if (!fault.empty()) {
    message += ", which " + fault;
  }
  auto hint = "allowed: " + info.allowed() + default_of(info);
  if (node.kind == ConfigNode::Kind::kScalar && node.quoted && info.type != FieldType::kText) {
    hint += "\n  write it without quotes";
  }
  problems_.push_back({node.place.str(), std::move(message), std::move(hint)});
}

void ConfigReader::find_unknown_sections() {
  for (const auto& entry : document_.root().entries) {
    if (std::find(sections_.begin(), sections_.end(), entry.key) != sections_.end()) {
      continue;
    }
    auto hint = "allowed: " + join(sections_, ", ");
    for (const auto& field : fields_) {
      if (field.name == entry.key) {
        hint = "it belongs in section '" + field.section + "'\n  " + hint;
        break;
      }
    }
    problems_.push_back(
        {entry.place.str(),
         "unknown section '" + printable(entry.key, 60) + "'" + suggestion(entry.key, sections_),
         hint});
  }
}

void ConfigReader::find_unknown_keys() {
  for (const auto& section : sections_) {
    const auto* const map = document_.root().find(section);
    if (map == nullptr) {
      continue;
    }
    for (const auto& entry : map->entries) {
      const bool known = std::any_of(fields_.begin(), fields_.end(), [&](const FieldInfo& f) {
        return f.section == section && f.name == entry.key;
      });
      if (!known) {
        add_unknown_key(section, entry);
      }
    }
  }
}

void ConfigReader::add_unknown_key(const std::string& section, const ConfigEntry& entry) {
  std::vector<std::string> names;
  std::string elsewhere;
  for (const auto& field : fields_) {
    if (field.section == section) {
      names.push_back(field.name);
    } else if (field.name == entry.key) {
      elsewhere = "it belongs in section '" + field.section + "'\n  ";
    }
  }
  auto candidates = names;
  for (const auto& alias : aliases_) {
    if (alias.from.starts_with(section + ".")) {
      candidates.push_back(alias.from.substr(section.size() + 1));
    }
  }
  std::sort(names.begin(), names.end());
  problems_.push_back({entry.place.str(),
                       "unknown key '" + printable(entry.key, 60) + "' in '" + section + "'" +
                           (elsewhere.empty() ? suggestion(entry.key, candidates) : ""),
                       elsewhere + "allowed: " + join(names, ", ")});
}

void ConfigReader::finish() {
  find_unknown_sections();
  find_unknown_keys();
  throw_problems(problems_);
}

void throw_problems(std::span<const ConfigProblem> problems) {
  if (problems.empty()) {
    return;
  }
  auto hint = problems.front().hint;
  for (std::size_t i = 1; i < std::min(problems.size(), kMostProblems); ++i) {
    const auto& problem = problems[i];
    hint += "\n" + problem.where + ": " + problem.message;
    if (!problem.hint.empty()) {
      hint += "\n  " + problem.hint;
    }
  }
  if (problems.size() > kMostProblems) {
    hint += "\n... and " + std::to_string(problems.size() - kMostProblems) + " more";
  }
  throw Error(ErrorCode::kConfig, problems.front().where, problems.front().message, hint);
}

}  // namespace medaug
