// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

std::string join(std::span<const std::string> parts, std::string_view separator);

/// The candidate nearest to `word` by edit distance (insert, delete, replace, swap of neighbours),
/// or "" when none is near enough to suggest.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// `text` safe to print: control characters, bidirectional overrides and broken UTF-8 as \xNN, cut
/// to `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 200);

/// One number by a printf format: formatted("%.2f", 0.5) is "0.50".
std::string formatted(const char* format, double value);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);
/// The reverse; nothing for other characters, a wrong length or padding in the middle.
std::optional<std::string> base64_decoded(std::string_view text);

/// "1.4 GB", "312 MB"
std::string human_bytes(double bytes);
/// "2 h 03 min", "4 min 10 s", "8.1 s"
std::string human_seconds(double seconds);

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  ///< in bytes; 0 for bytes that are not UTF-8, or at the end
};

/// The code point that starts at byte `at`. Overlong forms, surrogates and values above U+10FFFF
/// are refused.
CodePoint decode_utf8(std::string_view text, std::size_t at);
void append_utf8(std::string& text, char32_t code_point);
bool valid_utf8(std::string_view text);

}  // namespace medaug
