// SPDX-License-Identifier: MIT
#include "app/http/fields.h"

#include <algorithm>
#include <cmath>

#include "base/ascii.h"
#include "base/error.h"
#include "base/strings.h"

namespace medaug::app {
namespace {

std::string shown(double value) {
  const auto text = Json(value).dump();
  return text.size() > 2 && text.substr(text.size() - 2) == ".0" ? text.substr(0, text.size() - 2)
                                                                 : text;
}

}  // namespace

void refuse_field(const std::string& name, const std::string& message, const std::string& hint) {
  throw HttpError({400, "invalid_request", message, name, hint});
}

RequestFields RequestFields::from_json(std::string_view body) {
  RequestFields fields;
  try {
    fields.values_ = parse_json(body, "body", {ErrorCode::kInvalidArgument, 16, 100});
  } catch (const Error& e) {
    throw HttpError(
        {400, "invalid_request", "the body is no valid JSON: " + e.message(), "", e.hint()});
  }
  if (!fields.values_.is_object()) {
    throw HttpError({400, "invalid_request", "the body must be a JSON object", "", ""});
  }
  return fields;
}

RequestFields RequestFields::from_form(const std::vector<FormPart>& parts) {
  RequestFields fields;
  fields.is_form_ = true;
  for (const auto& part : parts) {
    if (fields.values_.contains(part.name)) {
      refuse_field(part.name, "comes twice");
    }
    fields.values_[part.name] = std::string(part.bytes);
    if (part.is_file) {
      fields.files_.insert(part.name);
    }
  }
  return fields;
}

const Json* RequestFields::find(const std::string& name) {
  known_.push_back(name);
  const auto found = values_.find(name);
  return found == values_.end() || found->is_null() ? nullptr : &*found;
}

std::string RequestFields::text(const std::string& name, const std::string& otherwise,
                                std::size_t max_bytes) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return otherwise;
  }
  if (!value->is_string()) {
    refuse_field(name, "must be a text");
  }
  auto text = value->get<std::string>();
  if (text.size() > max_bytes) {
    throw HttpError(
        {413, "too_large", "is longer than " + std::to_string(max_bytes) + " bytes", name, ""});
  }
  if (!valid_utf8(text)) {
    refuse_field(name, "is no valid UTF-8");
  }
  return text;
}

std::optional<std::int64_t> RequestFields::integer(const std::string& name, std::int64_t min,
                                                   std::int64_t max) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto allowed =
      "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  std::optional<std::int64_t> number;
  if (is_form_) {
    number = number_in<std::int64_t>(value->get<std::string>());
  } else if (value->is_number_unsigned()) {
    const auto big = value->get<std::uint64_t>();
    number = std::cmp_less_equal(big, max) ? std::optional(static_cast<std::int64_t>(big))
                                           : std::nullopt;
  } else if (value->is_number_integer()) {
    number = value->get<std::int64_t>();
  } else if (value->is_number_float() && std::abs(value->get<double>()) < 9e15 &&
             std::floor(value->get<double>()) == value->get<double>()) {
    number = static_cast<std::int64_t>(value->get<double>());  // 10.0, as some clients write 10
  }
  if (!number || *number < min || *number > max) {
    refuse_field(name, allowed);
  }
  return number;
}

std::optional<double> RequestFields::number(const std::string& name, double min, double max) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  std::optional<double> number;
  if (is_form_) {
    number = number_in<double>(value->get<std::string>());
  } else if (value->is_number()) {
    number = value->get<double>();
  }
  if (!number || !(*number >= min && *number <= max)) {
    refuse_field(name, "must be a number from " + shown(min) + " to " + shown(max));
  }
  return number;
}

bool RequestFields::flag(const std::string& name, bool otherwise) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return otherwise;
  }
  if (is_form_) {
    const auto text = value->get<std::string>();
    if (text == "true" || text == "false") {
      return text == "true";
    }
  } else if (value->is_boolean()) {
    return value->get<bool>();
  }
  refuse_field(name, "must be true or false");
}

std::string RequestFields::choice(const std::string& name, const std::vector<std::string>& allowed,
                                  const std::string& otherwise) {
  const auto word = text(name, otherwise);
  if (std::find(allowed.begin(), allowed.end(), word) == allowed.end()) {
    const auto near = nearest(word, allowed);
    refuse_field(name, "'" + printable(word, 40) + "' is not one of " + join(allowed, ", "),
                 near.empty() ? "" : "did you mean '" + near + "'?");
  }
  return word;
}

std::string RequestFields::bytes(const std::string& name) {
  const auto* const value = find(name);
  if (value == nullptr) {
    return {};
  }
  if (!value->is_string()) {
    refuse_field(name, "must be the file itself, in base64");
  }
  const auto& text = value->get_ref<const std::string&>();
  if (is_form_ && files_.count(name) > 0) {
    return text;
  }
  if (text.find("://") != std::string::npos) {
    refuse_field(name, "addresses are not fetched", "send the file itself, in base64");
  }
  constexpr std::string_view kDataUrl = ";base64,";
  const auto comma = text.find(kDataUrl);
  const bool is_data_url = text.rfind("data:", 0) == 0 && comma != std::string::npos;
  auto decoded =
      base64_decoded(std::string_view(text).substr(is_data_url ? comma + kDataUrl.size() : 0));
  if (!decoded) {
    refuse_field(name, "is no valid base64");
  }
  if (decoded->empty() && !text.empty()) {
    refuse_field(name, "is empty");
  }
  return *decoded;
}

void RequestFields::ignore(std::initializer_list<const char*> names) {
  known_.insert(known_.end(), names.begin(), names.end());
}

void RequestFields::finish() const {
  for (const auto& [name, value] : values_.items()) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      const auto near = nearest(name, known_);
      throw HttpError(
          {400, "unknown_field", "'" + printable(name, 60) + "' is no field of this",
           printable(name, 60),
           near.empty() ? "known: " + join(known_, ", ") : "did you mean '" + near + "'?"});
    }
  }
}

}  // namespace medaug::app
