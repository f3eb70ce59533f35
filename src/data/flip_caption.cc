// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "data/augment.h"

// A place in the picture ("the upper left of the image") changes with a flip; a side of the body
// ("the left ventricle") does not, and then the picture must not be flipped. Whatever is not
// clearly a place counts as a side of the body.

namespace medaug {
namespace {

struct Pair {
  std::string_view a;
  std::string_view b;
};

constexpr std::array<Pair, 4> kSides{
    {{"left", "right"}, {"upper", "lower"}, {"top", "bottom"}, {"above", "below"}}};

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 128;
}

struct Word {
  std::size_t start;
  std::size_t length;
  std::string text;  ///< lower case
  char after;        ///< the next character that is not a blank, 0 at the end
};

std::vector<Word> words_of(const std::string& caption) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < caption.size();) {
    if (!is_letter(caption[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < caption.size() && is_letter(caption[end])) {
      ++end;
    }
    const std::size_t next = caption.find_first_not_of(' ', end);
    words.push_back({i, end - i, ascii_lower(std::string_view(caption).substr(i, end - i)),
                     next == std::string::npos ? '\0' : caption[next]});
    i = end;
  }
  return words;
}

template <std::size_t N>
bool is_one_of(const std::string& word, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr std::array<std::string_view, 17> kPlaces{
    "part",  "side",   "half",   "edge",    "corner", "corners", "quadrant", "area",  "region",
    "third", "border", "margin", "portion", "end",    "central", "centre",   "center"};
constexpr std::array<std::string_view, 12> kPictures{"image", "picture", "photo", "photograph",
                                                     "slice", "frame",   "scan",  "view",
                                                     "field", "figure",  "crop",  "patch"};
constexpr std::array<std::string_view, 6> kDirections{"left",  "right", "upper",
                                                      "lower", "top",   "bottom"};
// Side-dependent words that no mirror rule covers, other languages' words for the sides included.
constexpr auto kSidedHorizontal =
    std::to_array<std::string_view>({"nasal",      "temporal",
                                     "lateral",    "medial",
                                     "dextro",     "levo",
                                     "clockwise",  "clock",
                                     "od",         "os",
                                     "bilateral",  "leftmost",
                                     "rightmost",  "leftward",
                                     "leftwards",  "rightward",
                                     "lefthand",   "righthand",
                                     "rightwards", "leftsided",
                                     "rightsided", "links",
                                     "rechts",     "linke",
                                     "linken",     "linker",
                                     "linkes",     "rechte",
                                     "rechten",    "rechter",
                                     "rechtes",    "gauche",
                                     "droite",     "izquierda",
                                     "izquierdo",  "derecha",
                                     "derecho",    "sinistra",
                                     "sinistro",   "destra",
                                     "destro",     "esquerda",
                                     "esquerdo",   "direita",
                                     "direito",    "counterclockwise"});
constexpr auto kSidedVertical = std::to_array<std::string_view>(
    {"superior",  "inferior",   "apical",          "basal",   "cranial",   "caudal",
     "apex",      "upside",     "clock",           "gravity", "anterior",  "posterior",
     "dorsal",    "ventral",    "cephalad",        "upward",  "upwards",   "downward",
     "downwards", "uppermost",  "lowermost",       "topmost", "oben",      "unten",
     "obere",     "oberen",     "oberer",          "untere",  "unteren",   "unterer",
     "haut",      "bas",        "arriba",          "abajo",   "superiore", "inferiore",
     "clockwise", "bottommost", "counterclockwise"});

/// After a direction word: nothing, punctuation, "of the image", or a place word with the same
/// behind it.
bool ends_as_place(const std::vector<Word>& words, std::size_t i) {
  while (i < words.size() &&
         (is_one_of(words[i].text, kDirections) || is_one_of(words[i].text, kPlaces))) {
    const bool closes = words[i].after == '\0' || words[i].after == ',' || words[i].after == '.' ||
                        words[i].after == ';' || words[i].after == ')' || words[i].after == ':';
    ++i;
    if (closes) {
      return true;
    }
  }
  if (i + 1 < words.size() && words[i].text == "of") {
    const std::size_t noun =
        words[i + 1].text == "the" || words[i + 1].text == "this" ? i + 2 : i + 1;
    return noun < words.size() && is_one_of(words[noun].text, kPictures);
  }
  return i < words.size() && (words[i].text == "and" || words[i].text == "or") &&
         i + 1 < words.size() && is_one_of(words[i + 1].text, kDirections) &&
         ends_as_place(words, i + 1);
}

std::string_view opposite(const std::string& word, bool horizontal, bool vertical) {
  for (std::size_t k = 0; k < kSides.size(); ++k) {
    const bool wanted = k == 0 ? horizontal : vertical;
    if (wanted && word == kSides[k].a) {
      return kSides[k].b;
    }
    if (wanted && word == kSides[k].b) {
      return kSides[k].a;
    }
  }
  return {};
}

std::string with_case_of(std::string_view word, std::string_view pattern) {
  std::string out(word);
  if (std::isupper(static_cast<unsigned char>(pattern[0])) != 0) {
    out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  }
  return out;
}

std::optional<std::string> flip_english(const std::string& caption, bool horizontal,
                                        bool vertical) {
  const std::vector<Word> words = words_of(caption);
  std::string out;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    if ((horizontal && is_one_of(word.text, kSidedHorizontal)) ||
        (vertical && is_one_of(word.text, kSidedVertical))) {
      return std::nullopt;
    }
    const std::string_view other = opposite(word.text, horizontal, vertical);
    if (other.empty()) {
      continue;
    }
    if (!ends_as_place(words, i)) {
      return std::nullopt;
    }
    out.append(caption, copied, word.start - copied);
    out += with_case_of(other, std::string_view(caption).substr(word.start, word.length));
    copied = word.start + word.length;
  }
  return out.append(caption, copied);
}

// Chinese: 左上方, 右侧, 上半部 … are places when nothing anatomical follows.
constexpr std::array<Pair, 2> kChineseSides{{{"左", "右"}, {"上", "下"}}};
constexpr std::array<std::string_view, 14> kChineseSuffix{"侧", "側", "边", "邊", "部", "半", "角",
                                                          "方", "缘", "緣", "中", "区", "域", "分"};
constexpr std::array<std::string_view, 22> kChineseAfter{
    "",  "，", "。", "、", "；", "：", "）", ",",  ".",  ";",  ")",
    " ", "的", "有", "可", "见", "見", "和", "与", "及", "为", "处"};

/// The UTF-8 character at `i`; empty at the end.
std::string_view character(const std::string& text, std::size_t i) {
  if (i >= text.size()) {
    return {};
  }
  std::size_t end = i + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    ++end;
  }
  return std::string_view(text).substr(i, end - i);
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view c) {
  return std::find(list.begin(), list.end(), c) != list.end();
}

bool is_chinese_direction(std::string_view c) {
  return c == "左" || c == "右" || c == "上" || c == "下";
}

bool chinese_place(const std::string& text, std::size_t i) {
  std::string_view c = character(text, i);
  std::size_t suffixes = 0;
  while (is_chinese_direction(c) || contains(kChineseSuffix, c)) {
    suffixes += is_chinese_direction(c) ? 0 : 1;
    i += c.size();
    c = character(text, i);
  }
  // "左的" alone says nothing about a place; "左上" at the end of a clause does.
  return contains(kChineseAfter, c) && (suffixes > 0 || (c != "的" && c != "有" && c != "可"));
}

/// The character after the flip; empty when it stays.
std::string_view chinese_opposite(std::string_view c, bool horizontal, bool vertical) {
  for (std::size_t k = 0; k < kChineseSides.size(); ++k) {
    if (k == 0 ? !horizontal : !vertical) {
      continue;
    }
    if (c == kChineseSides[k].a || c == kChineseSides[k].b) {
      return c == kChineseSides[k].a ? kChineseSides[k].b : kChineseSides[k].a;
    }
  }
  return {};
}

std::optional<std::string> flip_chinese(const std::string& caption, bool horizontal,
                                        bool vertical) {
  for (const std::string_view sided : {"鼻侧", "颞侧", "顺时针", "逆时针", "点钟"}) {
    if (caption.find(sided) != std::string::npos) {
      return std::nullopt;
    }
  }
  std::string out;
  for (std::size_t i = 0; i < caption.size();) {
    const std::string_view c = character(caption, i);
    const std::string_view other = chinese_opposite(c, horizontal, vertical);
    if (!other.empty() && !chinese_place(caption, i)) {
      return std::nullopt;
    }
    out += other.empty() ? c : other;
    i += c.size();
  }
  return out;
}

struct Range {
  char32_t first;
  char32_t last;
};
// Beside ASCII: symbols, Greek letters (alpha, beta), punctuation, and Chinese.
constexpr std::array<Range, 8> kReadable{{{0x00A0, 0x00BF},
                                          {0x00D7, 0x00D7},
                                          {0x0391, 0x03C9},
                                          {0x2000, 0x218F},
                                          {0x2200, 0x22FF},
                                          {0x3000, 0x303F},
                                          {0x3400, 0x9FFF},
                                          {0xFF00, 0xFFEF}}};

/// False for a script whose words for left and right are not known here (and for arrows).
bool can_be_read(const std::string& caption) {
  for (std::size_t i = 0; i < caption.size();) {
    const auto c = character(caption, i);
    i += c.size();
    if (c.size() == 1) {
      continue;
    }
    auto code = static_cast<char32_t>(static_cast<unsigned char>(c[0]) & (0x7FU >> c.size()));
    for (const char next : c.substr(1)) {
      code = code << 6 | (static_cast<unsigned char>(next) & 0x3FU);
    }
    const auto holds = [code](const Range& r) { return r.first <= code && code <= r.last; };
    if (std::none_of(kReadable.begin(), kReadable.end(), holds)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::string> flip_caption(const std::string& caption, bool horizontal,
                                        bool vertical) {
  if (!can_be_read(caption)) {
    return std::nullopt;
  }
  const auto english = flip_english(caption, horizontal, vertical);
  return english ? flip_chinese(*english, horizontal, vertical) : std::nullopt;
}

}  // namespace medaug
