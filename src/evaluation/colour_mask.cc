// SPDX-License-Identifier: MIT
#include "evaluation/colour_mask.h"

#include <ATen/ATen.h>

#include <array>
#include <string>

#include "base/error.h"

namespace medaug {
namespace {

constexpr std::int64_t kBins = 256;

/// (H, W) float64, larger = more like a lesion.
at::Tensor measure(const Image& image, ColourRule rule) {
  const auto x = (to_unit_range(image).to(at::kDouble) + 1.0) * 0.5;
  const bool grey = image.channels() == 1;
  if (grey && (rule == ColourRule::kRed || rule == ColourRule::kSaturation)) {
    throw Error(ErrorCode::kData, "", "a grey image has no colour to look at",
                "use --structure-method brightness or darkness, or a segmenter");
  }
  if (rule == ColourRule::kRed) {
    return (x[0] - (x[1] + x[2]) * 0.5).clamp_min(0.0);
  }
  if (rule == ColourRule::kSaturation) {
    const auto largest = x.amax(0), least = x.amin(0);
    return at::where(largest > 0.0, (largest - least) / largest.clamp_min(1e-12), 0.0);
  }
  const auto luma = grey ? x[0] : x[0] * 0.299 + x[1] * 0.587 + x[2] * 0.114;
  return rule == ColourRule::kBrightness ? luma : 1.0 - luma;
}

/// The bin behind which the second class begins: largest variance between the classes.
std::int64_t otsu_bin(const std::array<double, kBins>& histogram) {
  double all = 0.0, moment = 0.0;
  for (std::int64_t i = 0; i < kBins; ++i) {
    all += histogram[static_cast<std::size_t>(i)];
    moment += histogram[static_cast<std::size_t>(i)] * static_cast<double>(i);
  }
  double below = 0.0, below_moment = 0.0, best = -1.0;
  std::int64_t bin = 0;
  for (std::int64_t i = 0; i + 1 < kBins; ++i) {
    below += histogram[static_cast<std::size_t>(i)];
    below_moment += histogram[static_cast<std::size_t>(i)] * static_cast<double>(i);
    const double above = all - below;
    if (below > 0.0 && above > 0.0) {
      const double apart = below_moment / below - (moment - below_moment) / above;
      if (const double between = below * above * apart * apart; between > best) {
        best = between;
        bin = i;
      }
    }
  }
  return bin;
}

}  // namespace

ColourMask colour_mask(const Image& image, ColourRule rule) {
  const auto values = measure(image, rule).contiguous();
  const double low = values.min().item<double>(), high = values.max().item<double>();
  if (high - low < 1e-9) {
    return {at::zeros_like(values, at::kBool), high};
  }
  std::array<double, kBins> histogram{};
  const auto bins = ((values - low) * (static_cast<double>(kBins) / (high - low)))
                        .to(at::kLong)
                        .clamp_max(kBins - 1)
                        .contiguous();
  const auto* data = bins.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < bins.numel(); ++i) {
    histogram[static_cast<std::size_t>(data[i])] += 1.0;
  }
  const auto bin = otsu_bin(histogram);
  const double threshold =
      low + (high - low) * static_cast<double>(bin + 1) / static_cast<double>(kBins);
  return {bins.gt(bin), threshold};
}

}  // namespace medaug
