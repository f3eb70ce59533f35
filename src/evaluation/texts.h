// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "base/fields.h"

// What the report and the console summary say, in each language.

namespace medaug {

enum class Language { kEnglish, kChinese };
template <>
struct EnumNames<Language> {
  static constexpr std::pair<Language, std::string_view> kNames[] = {{Language::kEnglish, "en"},
                                                                     {Language::kChinese, "zh"}};
};

/// Keys: "section.X" is the title of a section, "note.X" a remark on what figures mean, "name.X"
/// what a key X of the JSON is called, "band.X", "picture.X" and "page.X" what they say.
struct Text {
  std::string_view key;
  std::string_view en;
  std::string_view zh;
};

/// All of them; no key occurs twice.
std::span<const Text> all_texts();

bool has_text(std::string_view key);
/// The key itself where there is no such text.
std::string_view text_of(std::string_view key, Language language);

}  // namespace medaug
