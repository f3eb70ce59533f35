// SPDX-License-Identifier: MIT
#include "text/caption.h"

#include "base/strings.h"

namespace medaug {
namespace {

bool is_space(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// Seen by nobody, but another caption to the tokenizer.
bool is_invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x061C || c == 0x200B ||
         c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

}  // namespace

std::string normalize_caption(std::string_view caption, std::string_view where, ErrorCode code) {
  if (caption.size() > kMaxCaptionBytes) {
    throw Error(
        code, where, "has " + std::to_string(caption.size()) + " bytes",
        "the limit is " + std::to_string(kMaxCaptionBytes) + "; a caption is a sentence or two");
  }
  std::string text;
  bool space = false;
  for (std::size_t at = 0; at < caption.size();) {
    const CodePoint point = decode_utf8(caption, at);
    if (point.length == 0) {
      throw Error(code, where, "is not UTF-8 at byte " + std::to_string(at), "save it as UTF-8");
    }
    if (is_space(point.value)) {
      space = !text.empty();
    } else if (!is_invisible(point.value)) {
      if (space) {
        text.push_back(' ');
      }
      space = false;
      text.append(caption.substr(at, point.length));
    }
    at += point.length;
  }
  return text;
}

}  // namespace medaug
