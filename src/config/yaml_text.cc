// SPDX-License-Identifier: MIT
#include "config/yaml_text.h"

#include <array>
#include <cstddef>

#include "base/error.h"

namespace medaug {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string hex(unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return {'0', 'x', kDigits[byte >> 4U], kDigits[byte & 15U]};
}

[[noreturn]] void fail(std::string_view text, std::size_t offset, const std::string& source,
                       std::string_view message, std::string_view hint) {
  std::size_t line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      ++line;
      line_start = i + 1;
    }
  }
  const auto column = offset - line_start + 1;
  throw Error(ErrorCode::kConfig,
              source + ":" + std::to_string(line) + ":" + std::to_string(column), message, hint);
}

void refuse_utf16(std::string_view text, const std::string& source) {
  const bool marked = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  const bool unmarked = text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0');
  if (marked || unmarked) {
    throw Error(ErrorCode::kConfig, source + ":1:1", "the file is UTF-16, not UTF-8",
                "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)");
  }
}

/// Length of the UTF-8 sequence at `offset`, or 0 when it is broken (RFC 3629: no overlong forms,
/// no surrogates).
std::size_t sequence_length(std::string_view text, std::size_t offset) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return offset + i < text.size() ? static_cast<unsigned char>(text[offset + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return follows(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool too_large = lead == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

std::string with_unix_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out.push_back(text[i]);
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out.push_back('\n');
    }
  }
  return out;
}

void check_bytes(std::string_view text, const std::string& source) {
  bool indenting = true;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\t' && indenting) {
      fail(text, i, source, "a tab indents this line", "YAML indents with spaces only");
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F) {
      fail(text, i, source, "control character " + hex(byte), "remove it");
    }
    const auto length = sequence_length(text, i);
    if (length == 0) {
      fail(text, i, source, "byte " + hex(byte) + " is not valid UTF-8", "save the file as UTF-8");
    }
    indenting = byte == '\n' || (indenting && byte == ' ');
    i += length;
  }
}

}  // namespace

std::string checked_yaml_text(std::string_view text, const std::string& source) {
  refuse_utf16(text, source);
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  auto lines = with_unix_lines(text);
  check_bytes(lines, source);
  return lines;
}

}  // namespace medaug
