// SPDX-License-Identifier: MIT
#include "app/http/multipart.h"

#include <optional>

#include "app/http/message.h"
#include "base/ascii.h"

namespace medaug::app {
namespace {

constexpr std::size_t kMostParts = 64;
constexpr std::size_t kMostHeaderBytes = 8192;
constexpr std::size_t kMostBoundaryBytes = 70;  // RFC 2046

[[noreturn]] void malformed(const std::string& what) {
  throw HttpError({400, "invalid_request", "the form is malformed: " + what, "", ""});
}

bool same_letters(std::string_view a, std::string_view b) {
  return ascii_lower(a) == ascii_lower(b);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

/// Value of `name` in "form-data; name="a"; filename="b"".
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    // up to the next ';' outside of quotes
    bool quoted = false;
    std::size_t end = 0;
    for (; end < header.size() && (quoted || header[end] != ';'); ++end) {
      if (header[end] == '\\' && quoted) {
        ++end;
      } else if (header[end] == '"') {
        quoted = !quoted;
      }
    }
    end = std::min(end, header.size());
    const auto piece = trimmed(header.substr(0, end));
    header.remove_prefix(std::min(end + 1, header.size()));
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos || !same_letters(trimmed(piece.substr(0, equals)), name)) {
      continue;
    }
    auto value = trimmed(piece.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    std::string plain;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) {
        ++i;
      }
      plain.push_back(value[i]);
    }
    return plain;
  }
  return std::nullopt;
}

void take_header(std::string_view line, FormPart& part) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) {
    malformed("a part's header has no colon");
  }
  const auto name = trimmed(line.substr(0, colon));
  const auto value = trimmed(line.substr(colon + 1));
  if (same_letters(name, "content-disposition")) {
    part.name = parameter(value, "name").value_or("");
    part.is_file = parameter(value, "filename").has_value();
  } else if (same_letters(name, "content-type")) {
    part.type = std::string(trimmed(value.substr(0, value.find(';'))));
    if (same_letters(std::string_view(part.type).substr(0, 10), "multipart/")) {
      malformed("forms inside forms are not taken");
    }
  }
}

FormPart parse_part(std::string_view text) {
  const auto end = text.substr(0, kMostHeaderBytes + 4).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (text.size() > kMostHeaderBytes) {
      throw HttpError({413, "too_large", "the header of a form's part is too large", "", ""});
    }
    malformed("a part has no end of its header");
  }
  FormPart part;
  auto header = text.substr(0, end);
  while (!header.empty()) {
    const auto line = header.substr(0, header.find("\r\n"));
    take_header(line, part);
    header.remove_prefix(std::min(line.size() + 2, header.size()));
  }
  if (part.name.empty()) {
    malformed("a part has no name");
  }
  part.bytes = text.substr(end + 4);
  return part;
}

}  // namespace

std::vector<FormPart> parse_form(std::string_view content_type, std::string_view body) {
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kMostBoundaryBytes) {
    malformed("its boundary is missing or longer than 70 characters");
  }
  const auto mark = "\r\n--" + *boundary;
  // The first boundary may stand at the very beginning.
  if (body.substr(0, mark.size() - 2) != std::string_view(mark).substr(2)) {
    malformed("it does not begin with its boundary");
  }
  body.remove_prefix(mark.size() - 2);
  std::vector<FormPart> parts;
  while (body.substr(0, 2) != "--") {
    if (body.substr(0, 2) != "\r\n") {
      malformed("a boundary is followed by something else");
    }
    body.remove_prefix(2);
    const auto end = body.find(mark);
    if (end == std::string_view::npos) {
      malformed("its last boundary is missing");
    }
    if (parts.size() == kMostParts) {
      throw HttpError({413, "too_large", "a form may have at most 64 parts", "", ""});
    }
    parts.push_back(parse_part(body.substr(0, end)));
    body.remove_prefix(end + mark.size());
  }
  return parts;
}

}  // namespace medaug::app
