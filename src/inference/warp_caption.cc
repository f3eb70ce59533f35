// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "inference/mask_warp.h"
#include "text/describe_mask.h"

namespace medaug {
namespace {

/// What a caption may say of one class.
struct Words {
  std::string place;
  std::string size;
  std::string shape;
  double share = 0.0;
};

Words words_of(const at::Tensor& plane) {
  const auto in = plane.to(at::kFloat).contiguous();
  const auto* values = in.const_data_ptr<float>();
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(in.numel()));
  const auto fill = [&](float least) {
    std::transform(values, values + in.numel(), pixels.begin(),
                   [least](float v) { return static_cast<std::uint8_t>(v >= least ? 1 : 0); });
  };
  fill(0.5F);
  if (std::find(pixels.begin(), pixels.end(), 1) == pixels.end()) {
    fill(1e-6F);  // smaller than a pixel
  }
  const auto measures = measure_mask({pixels, in.size(0), in.size(1)});
  if (measures.parts == 0) {
    return {};
  }
  return {place_words(measures.center_x, measures.center_y),
          size_word(measures.area_share / static_cast<double>(measures.parts)),
          shape_word(measures), measures.area_share};
}

/// One for each class, then one for all together.
std::vector<Words> words_of_classes(const at::Tensor& planes) {
  std::vector<Words> words;
  for (std::int64_t k = 0; k < planes.size(0); ++k) {
    words.push_back(words_of(planes[k]));
  }
  words.push_back(words_of(planes.sum(0)));
  return words;
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

bool stands_alone(const std::string& text, std::size_t at, std::size_t length) {
  const bool before = at == 0 || !is_letter(text[at - 1]);
  const bool after = at + length >= text.size() || !is_letter(text[at + length]);
  return before && after;
}

/// "a" or "an" at the end of `text` as the next word wants it.
void mend_article(std::string& text, const std::string& next) {
  const bool vowel = std::string_view("aeiou").find(next[0]) != std::string_view::npos;
  for (const std::string_view article : {"an ", "a "}) {
    const auto start = text.size() - std::min(text.size(), article.size());
    if (ascii_lower(text.substr(start)) == article &&
        stands_alone(text, start, article.size() - 1)) {
      text.resize(start + 1);
      text.append(vowel ? "n " : " ");
      return;
    }
  }
}

using Replace = std::function<std::string(const std::string& found)>;

/// Every one of `phrases` in the text through `replace`, in order; capitals stay.
std::string replace_phrases(const std::string& text, const std::vector<std::string>& phrases,
                            const Replace& replace) {
  const auto small = ascii_lower(text);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto found = std::find_if(phrases.begin(), phrases.end(), [&](const auto& phrase) {
      return small.compare(i, phrase.size(), phrase) == 0 && stands_alone(small, i, phrase.size());
    });
    if (found == phrases.end()) {
      out.push_back(text[i++]);
      continue;
    }
    auto next = replace(*found);
    if (next != *found) {
      mend_article(out, next);
    }
    if (std::isupper(static_cast<unsigned char>(text[i])) != 0) {
      next[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(next[0])));
    }
    out += next;
    i += found->size();
  }
  return out;
}

/// The nth time a phrase comes it tells of the nth class that it fitted, the last ones of the last.
class Matcher {
 public:
  Matcher(const std::vector<Words>& before, const std::vector<Words>& after,
          std::string Words::* member)
      : before_(before), after_(after), member_(member) {}

  /// Index of the class, or -1.
  std::ptrdiff_t class_of(const std::string& phrase) {
    const auto skip = seen_[phrase]++;
    std::ptrdiff_t last = -1;
    std::size_t matches = 0;
    for (std::size_t k = 0; k < before_.size(); ++k) {
      const bool whole = k + 1 == before_.size();  // only when no class fits
      if (before_[k].*member_ == phrase && !(after_[k].*member_).empty() && !(whole && last >= 0) &&
          matches <= skip) {
        last = static_cast<std::ptrdiff_t>(k);
        ++matches;
      }
    }
    return last;
  }

  std::string after(const std::string& phrase, const std::string& otherwise) {
    const auto k = class_of(phrase);
    return k < 0 ? otherwise : after_[static_cast<std::size_t>(k)].*member_;
  }

 private:
  const std::vector<Words>& before_;
  const std::vector<Words>& after_;
  std::string Words::* member_;
  std::map<std::string, std::size_t> seen_;
};

std::vector<std::string> all_places() {
  std::vector<std::string> places;
  for (const double y : {0.0, 0.5, 1.0}) {
    for (const double x : {0.0, 0.5, 1.0}) {
      places.push_back(place_words(x, y));
    }
  }
  return places;
}

std::string percent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), share < 0.02 ? "%.1f" : "%.0f", 100.0 * share);
  return text.data();
}

/// "12% of the image", where 12 % is about what the old mask covered.
std::string replace_share(const std::string& text, double before, double after) {
  const auto sign = text.find("% of the ");
  auto start = sign;
  while (
      start != std::string::npos && start > 0 &&
      (std::isdigit(static_cast<unsigned char>(text[start - 1])) != 0 || text[start - 1] == '.')) {
    --start;
  }
  double told = 0.0;
  if (sign == std::string::npos || start == sign ||
      std::from_chars(text.data() + start, text.data() + sign, told).ec != std::errc()) {
    return text;
  }
  const bool told_of_mask = std::abs(told - 100.0 * before) <= std::max(0.6, 20.0 * before);
  return told_of_mask ? text.substr(0, start) + percent(after) + text.substr(sign) : text;
}

}  // namespace

std::string warp_caption(const std::string& caption, const at::Tensor& before,
                         const at::Tensor& after) {
  if (before.size(0) == 0 || before.equal(after)) {
    return caption;
  }
  const auto old_words = words_of_classes(before);
  const auto new_words = words_of_classes(after);
  if (new_words.back().place.empty()) {
    return caption;  // no lesion, before as after
  }
  Matcher places(old_words, new_words, &Words::place);
  Matcher sizes(old_words, new_words, &Words::size);
  Matcher shapes(old_words, new_words, &Words::shape);
  // A place that fits no class told of this mask all the same: the caption's one is no longer true.
  auto text = replace_phrases(caption, all_places(), [&](const std::string& place) {
    return places.after(place, new_words.back().place);
  });
  text = replace_phrases(text, {"small", "medium-sized", "large"},
                         [&](const std::string& word) { return sizes.after(word, word); });
  text = replace_phrases(text, {"round", "oval", "elongated", "irregular"},
                         [&](const std::string& word) { return shapes.after(word, word); });
  return replace_share(text, old_words.back().share, new_words.back().share);
}

}  // namespace medaug
