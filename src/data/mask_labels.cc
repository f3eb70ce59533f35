// SPDX-License-Identifier: MIT
#include "data/mask_labels.h"

#include <ATen/ops/zeros.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/strings.h"

namespace medaug {
namespace {

using Colour = std::array<int, 3>;

constexpr int kColourTolerance = 2;  // what colour management of an editor may change

std::string pixel_name(std::int64_t index, std::int64_t width) {
  return "row " + std::to_string(index / width) + ", column " + std::to_string(index % width);
}

void check_count(std::size_t count, const PreprocessOptions& options, const char* key) {
  if (count != 0 && std::cmp_not_equal(count, options.mask_classes)) {
    throw Error(ErrorCode::kConfig, key,
                std::to_string(count) + " entries for " + std::to_string(options.mask_classes) +
                    " mask classes",
                "give one entry for each class");
  }
}

/// Class of each stored label, 0..K-1, or -1 for background.
class LabelTable {
 public:
  explicit LabelTable(const PreprocessOptions& options) : classes_(options.mask_classes) {
    check_count(options.mask_labels.size(), options, "mask_labels");
    if (!options.mask_labels.empty()) {
      labels_ = options.mask_labels;
      return;
    }
    for (std::int64_t k = 1; k <= classes_; ++k) {
      labels_.push_back(k);
    }
    if (classes_ == 1) {
      labels_.push_back(255);
    }
  }

  /// none = not in the table
  std::optional<std::int64_t> class_of(std::int64_t label) const {
    for (std::size_t k = 0; k < labels_.size(); ++k) {
      if (labels_[k] == label) {
        return std::min(static_cast<std::int64_t>(k), classes_ - 1);
      }
    }
    return label == 0 ? std::optional<std::int64_t>(-1) : std::nullopt;
  }

  std::string allowed() const {
    std::vector<std::string> names{"0"};
    for (const auto label : labels_) {
      names.push_back(std::to_string(label));
    }
    return join(names, ", ");
  }

 private:
  std::int64_t classes_;
  std::vector<std::int64_t> labels_;
};

std::string hint_for(const std::int32_t* levels, std::int64_t count,
                     const PreprocessOptions& options) {
  std::set<std::int32_t> found(levels, levels + count);
  found.erase(0);
  if (options.mask_classes == 1 && found.size() > 8) {
    return "more than 8 different levels: if the edges are anti-aliased or the values soft, save "
           "the mask with 0 and 255 only";
  }
  std::vector<std::string> names;
  for (const auto label : found) {
    names.push_back(std::to_string(label));
    if (names.size() == 12) {
      names.push_back("...");
      break;
    }
  }
  return "labels in this file: " + join(names, ", ") +
         "; set mask_classes and mask_labels to match, one label per class";
}

at::Tensor split_labels(const at::Tensor& levels, const PreprocessOptions& options,
                        const std::string& where) {
  const LabelTable table(options);
  const at::Tensor in = levels.to(at::kInt).contiguous();
  const std::int32_t* values = in.const_data_ptr<std::int32_t>();
  const std::int64_t pixels = in.size(1) * in.size(2);
  at::Tensor out = at::zeros({options.mask_classes, in.size(1), in.size(2)}, at::kByte);
  auto* planes = out.mutable_data_ptr<std::uint8_t>();
  std::int32_t last = 0;
  std::optional<std::int64_t> last_class = table.class_of(0);
  for (std::int64_t i = 0; i < pixels; ++i) {
    if (values[i] != last) {
      last = values[i];
      last_class = table.class_of(last);
    }
    if (!last_class) {
      throw Error(ErrorCode::kData, where,
                  "mask label " + std::to_string(last) + " at " + pixel_name(i, in.size(2)) +
                      " is not one of " + table.allowed(),
                  hint_for(values, pixels, options));
    }
    if (*last_class >= 0) {
      planes[*last_class * pixels + i] = 1;
    }
  }
  return out;
}

Colour parse_colour(const std::string& text) {
  unsigned value = 0;
  const char* begin = text.data() + (text.empty() ? 0 : 1);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, 16);
  if (text.size() != 7 || text[0] != '#' || error != std::errc{} ||
      end != text.data() + text.size()) {
    throw Error(ErrorCode::kConfig, "mask_colors",
                "'" + printable(text) + "' is not a colour of the form #rrggbb");
  }
  return {static_cast<int>(value >> 16 & 255), static_cast<int>(value >> 8 & 255),
          static_cast<int>(value & 255)};
}

std::string colour_name(const Colour& colour) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text = "#";
  for (const int c : colour) {
    text += kDigits[c >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

int distance(const Colour& a, const Colour& b) {
  int worst = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    worst = std::max(worst, std::abs(a[c] - b[c]));
  }
  return worst;
}

/// Nearest entry within the tolerance: 0..K-1, -1 for black, or none.
std::optional<std::int64_t> nearest_class(const Colour& colour, const std::vector<Colour>& table) {
  std::optional<std::int64_t> best;
  int best_distance = kColourTolerance + 1;
  if (distance(colour, {0, 0, 0}) < best_distance) {
    best = -1;
    best_distance = distance(colour, {0, 0, 0});
  }
  for (std::size_t k = 0; k < table.size(); ++k) {
    if (distance(colour, table[k]) < best_distance) {
      best = static_cast<std::int64_t>(k);
      best_distance = distance(colour, table[k]);
    }
  }
  return best;
}

at::Tensor split_colours(const at::Tensor& rgb, const PreprocessOptions& options,
                         const std::string& where) {
  std::vector<Colour> table;
  for (const auto& text : options.mask_colors) {
    table.push_back(parse_colour(text));
  }
  const at::Tensor in = rgb.contiguous();
  const auto* values = in.const_data_ptr<std::uint8_t>();
  const std::int64_t pixels = in.size(1) * in.size(2);
  at::Tensor out = at::zeros({options.mask_classes, in.size(1), in.size(2)}, at::kByte);
  auto* planes = out.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < pixels; ++i) {
    const Colour colour{values[i], values[i + pixels], values[i + 2 * pixels]};
    const auto found = nearest_class(colour, table);
    if (!found) {
      throw Error(ErrorCode::kData, where,
                  "mask colour " + colour_name(colour) + " at " + pixel_name(i, in.size(2)) +
                      " is not in the colour table",
                  "black is background; mask_colors lists: " + join(options.mask_colors, ", "));
    }
    if (*found >= 0) {
      planes[*found * pixels + i] = 1;
    }
  }
  return out;
}

/// Position of the first pixel that is not grey, or -1.
std::int64_t first_coloured(const at::Tensor& rgb) {
  const at::Tensor in = rgb.contiguous();
  const auto* v = in.const_data_ptr<std::uint8_t>();
  const std::int64_t pixels = in.size(1) * in.size(2);
  for (std::int64_t i = 0; i < pixels; ++i) {
    if (v[i] != v[i + pixels] || v[i] != v[i + 2 * pixels]) {
      return i;
    }
  }
  return -1;
}

}  // namespace

at::Tensor split_mask(const at::Tensor& levels, const PreprocessOptions& options,
                      const std::string& where) {
  check_count(options.mask_colors.size(), options, "mask_colors");
  if (levels.size(0) == 1) {
    return split_labels(levels, options, where);
  }
  if (!options.mask_colors.empty()) {
    return split_colours(levels, options, where);
  }
  const std::int64_t coloured = first_coloured(levels);
  if (coloured >= 0) {
    throw Error(ErrorCode::kData, where,
                "the mask is painted in colours (first at " + pixel_name(coloured, levels.size(2)) +
                    ") and there is no colour table",
                "set mask_colors to one \"#rrggbb\" for each class");
  }
  return split_labels(levels.slice(0, 0, 1), options, where);
}

}  // namespace medaug
