// SPDX-License-Identifier: MIT
#include "data/check_record.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/strings.h"
#include "data/fnv.h"
#include "data/mask_labels.h"
#include "data/pair.h"

namespace medaug::internal {
namespace {

constexpr std::size_t kMaxClasses = 32;

std::uint64_t pixel_hash(const at::Tensor& pixels) {
  const at::Tensor in = pixels.contiguous();
  const std::uint64_t hash =
      fnv(kFnvStart, in.sizes().data(), in.sizes().size() * sizeof(std::int64_t));
  return fnv(hash, in.const_data_ptr(), in.nbytes());
}

bool is_constant(const at::Tensor& pixels) {
  const at::Tensor in = pixels.contiguous();
  const auto* bytes = static_cast<const char*>(in.const_data_ptr());
  const std::size_t one = in.element_size();
  // Each channel on its own: a picture of one colour is constant too.
  const std::size_t plane = in.nbytes() / static_cast<std::size_t>(in.size(0));
  for (std::size_t start = 0; start < in.nbytes(); start += plane) {
    if (!std::equal(bytes + start, bytes + start + plane - one, bytes + start + one)) {
      return false;
    }
  }
  return true;
}

std::string colour_name(int rgb) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text = "#";
  for (int shift = 20; shift >= 0; shift -= 4) {
    text += kDigits[rgb >> shift & 15];
  }
  return text;
}

/// Pixels of each stored label or colour; background (0, black) left out.
std::map<int, std::int64_t> count_levels(const at::Tensor& levels) {
  std::map<int, std::int64_t> counts;
  const at::Tensor in = levels.to(at::kInt).contiguous();
  const auto* v = in.const_data_ptr<std::int32_t>();
  const std::int64_t pixels = in.size(1) * in.size(2);
  const bool colours = in.size(0) == 3;
  int last = 0;
  std::int64_t* slot = nullptr;
  for (std::int64_t i = 0; i < pixels; ++i) {
    const int value = colours ? v[i] << 16 | v[i + pixels] << 8 | v[i + 2 * pixels] : v[i];
    if (value != last || slot == nullptr) {
      last = value;
      slot = &counts[value];
    }
    ++*slot;
  }
  counts.erase(0);
  return counts;
}

/// Options that take each label of this one mask as a class.
PreprocessOptions classes_as_found(const std::map<int, std::int64_t>& counts, bool colours,
                                   const CheckOptions& options) {
  PreprocessOptions own = options.preprocess;
  own.class_names.clear();
  own.mask_labels.clear();
  own.mask_colors.clear();
  own.mask_classes = static_cast<std::int64_t>(counts.size());
  for (const auto& [value, count] : counts) {
    if (colours) {
      own.mask_colors.push_back(colour_name(value));
    } else {
      own.mask_labels.push_back(value);
    }
  }
  return own;
}

void look_at_classes(const StoredPair& pair, const std::string& where, const CheckOptions& options,
                     Finding& finding) {
  const std::map<int, std::int64_t> counts = count_levels(pair.levels);
  const bool colours = pair.levels.size(0) == 3;
  const bool grey = std::all_of(counts.begin(), counts.end(), [](const auto& entry) {
    const int value = entry.first;
    return (value >> 16 & 255) == (value & 255) && (value >> 8 & 255) == (value & 255);
  });
  if (counts.size() > kMaxClasses) {
    throw Error(ErrorCode::kData, where,
                "the mask holds " + std::to_string(counts.size()) + " different " +
                    (colours ? "colours" : "levels"),
                "if its edges are anti-aliased or its values soft, save it with exact labels");
  }
  PreprocessOptions classes = classes_as_found(counts, colours && !grey, options);
  for (auto& label : classes.mask_labels) {
    label = colours ? label & 255 : label;  // (v, v, v) is the label v
  }
  if (!options.infer_classes) {
    preprocess_mask(pair.levels, options.preprocess,
                    where);  // refuses labels that are not declared
  }
  const at::Tensor by_label = preprocess_mask(pair.levels, classes, where);
  const double area = static_cast<double>(pair.image.height() * pair.image.width());
  std::int64_t k = 0;
  for (const auto& [value, count] : counts) {
    finding.classes.push_back(
        {colours && !grey ? colour_name(value) : std::to_string(colours ? value & 255 : value),
         static_cast<double>(count) / area, by_label[k++].max().item<float>() < 0.5F});
  }
}

/// Whether all four corners lie in the mask, which a lesion rarely does.
bool covers_corners(const at::Tensor& levels) {
  const auto set = [&](std::int64_t y, std::int64_t x) {
    return levels.select(1, y).select(1, x).sum().item<std::int64_t>() != 0;
  };
  return set(0, 0) && set(0, -1) && set(-1, 0) && set(-1, -1);
}

void warn_about(const StoredPair& pair, const std::string& where, Finding& finding) {
  double covered = 0.0;
  for (const auto& c : finding.classes) {
    covered += c.share;
    if (c.lost) {
      finding.warnings.push_back(
          {where, "class " + c.name + " fades out at model size: no pixel is half covered",
           "train at a larger image_size, or crop"});
    }
  }
  if (covered > 0.5 && covers_corners(pair.levels)) {
    finding.warnings.push_back({where,
                                "the mask covers more than half of the picture and all its corners",
                                "it may be inverted: background is 0"});
  }
  if (pair.image.orientation != 1 && pair.levels.defined()) {
    finding.warnings.push_back({where,
                                "the image is turned by its EXIF orientation (" +
                                    std::to_string(pair.image.orientation) + ")",
                                "make sure that the mask was drawn on the turned picture"});
  }
}

void look_inside(const Record& record, const std::string& where, const CheckOptions& options,
                 Finding& finding) {
  const StoredPair pair = read_stored_pair(record, where);
  finding.kind = std::string(pair.image.channels() == 3 ? "colour " : "grey ") +
                 std::to_string(pair.image.bit_depth) + "-bit";
  finding.width = pair.image.width();
  finding.height = pair.image.height();
  finding.pixel_hash = pixel_hash(pair.image.pixels);
  if (is_constant(pair.image.pixels)) {
    finding.warnings.push_back({where, "the image is one flat level", "is the file right?"});
  }
  if (pair.levels.defined()) {
    look_at_classes(pair, where + ": mask " + printable(record.mask_path->string(), 400), options,
                    finding);
    warn_about(pair, where, finding);
  }
}

}  // namespace

Finding look_at(const Record& record, const std::string& where, const CheckOptions& options) {
  Finding finding;
  try {
    look_inside(record, where, options, finding);
  } catch (const Error& e) {
    finding.error = DataProblem{e.where(), e.message(), e.hint()};
  } catch (const std::exception& e) {
    finding.error = DataProblem{where, e.what(), ""};
  }
  return finding;
}

}  // namespace medaug::internal
