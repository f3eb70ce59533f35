// SPDX-License-Identifier: MIT
#include "base/strings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace medaug {
namespace {

/// Optimal string alignment distance: insert, delete, replace, swap of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

/// Characters that move, hide or restart what a terminal or a log viewer shows.
bool harmful(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::string formatted(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) {
      text.append(separator);
    }
    text.append(parts[i]);
  }
  return text;
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kLongest = 100;  // nobody mistypes more; keeps hostile names cheap
  if (word.empty() || word.size() > kLongest) {
    return "";
  }
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    if (candidate.size() > kLongest) {
      continue;
    }
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string printable(std::string_view text, std::size_t limit) {
  constexpr std::string_view kMore = "...";
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint point = decode_utf8(text, at);
    const std::size_t length = std::max<std::size_t>(1, point.length);
    std::string piece(text.substr(at, length));
    if (point.length == 0 || harmful(point.value)) {
      piece.clear();
      for (const char c : text.substr(at, length)) {
        const auto byte = static_cast<unsigned char>(c);
        piece.append("\\x").push_back(kHex[byte >> 4]);
        piece.push_back(kHex[byte & 15]);
      }
    }
    if (out.size() + piece.size() > limit) {
      return out.append(kMore);
    }
    out.append(piece);
    at += length;
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto left = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out.push_back(i <= left ? kDigits[bits >> (18 - 6 * i) & 63U] : '=');
    }
  }
  return out;
}

std::optional<std::string> base64_decoded(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  while (!text.empty() && text.size() % 4 != 2 && text.back() == '=') {
    text.remove_suffix(1);
  }
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const auto digit = base64_digit(c);
    if (digit < 0) {
      return std::nullopt;
    }
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> static_cast<unsigned>(held) & 0xFFU));
    }
  }
  // Bits behind the last byte are zero in what an encoder writes.
  const bool clean = (bits & ((1U << static_cast<unsigned>(held)) - 1U)) == 0;
  return clean ? std::optional(bytes) : std::nullopt;
}

std::string human_bytes(double bytes) {
  constexpr std::array<const char*, 6> kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (std::abs(bytes) >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000.0;
    ++unit;
  }
  const bool decimal = unit > 0 && std::abs(bytes) < 9.95;
  return formatted(decimal ? "%.1f " : "%.0f ", bytes) + kUnits[unit];
}

std::string human_seconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0.0) {
    return "?";
  }
  if (seconds < 59.95) {
    return formatted("%.1f s", seconds);
  }
  std::array<char, 48> buffer{};
  const auto whole = std::llround(std::min(seconds, 1.0e12));
  if (whole < 3600) {
    std::snprintf(buffer.data(), buffer.size(), "%lld min %02lld s", whole / 60, whole % 60);
  } else {
    const auto minutes = (whole + 30) / 60;
    std::snprintf(buffer.data(), buffer.size(), "%lld h %02lld min", minutes / 60, minutes % 60);
  }
  return buffer.data();
}

CodePoint decode_utf8(std::string_view text, std::size_t at) {
  if (at >= text.size()) {
    return {};
  }
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    return {first, 1};
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) {
    return {};
  }
  char32_t value = static_cast<char32_t>(first & (0x7F >> length));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return {};
    }
    value = (value << 6) | (byte(i) & 0x3F);
  }
  constexpr std::array<char32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[length] || surrogate || value > 0x10FFFF) {
    return {};
  }
  return {value, length};
}

void append_utf8(std::string& text, char32_t c) {
  const auto push = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
    return;
  }
  if (c < 0x800) {
    push(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      push(0xE0 | (c >> 12));
    } else {
      push(0xF0 | (c >> 18));
      push(0x80 | ((c >> 12) & 0x3F));
    }
    push(0x80 | ((c >> 6) & 0x3F));
  }
  push(0x80 | (c & 0x3F));
}

bool valid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = decode_utf8(text, at).length;
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

}  // namespace medaug
