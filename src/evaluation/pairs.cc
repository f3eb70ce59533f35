// SPDX-License-Identifier: MIT
#include "evaluation/pairs.h"

#include <ATen/ATen.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "data/preprocess.h"
#include "evaluation/image_quality.h"
#include "evaluation/mask_agreement.h"
#include "image/image.h"

namespace medaug {
namespace {

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

/// The size and the channels of `like`, by the antialiased bicubic filter of the training.
Image brought_to(const Image& image, const Image& like) {
  PreprocessOptions options;
  options.image_size = like.height();
  options.image_width = like.width();
  options.channels = like.channels();
  return from_unit_range(preprocess_image(image, options), like.bit_depth);
}

Json banded(const std::string& measure, const std::vector<double>& values, std::uint64_t seed) {
  auto out = summary_json(values, seed);
  if (auto band = band_of(measure, out["mean"]); !band.is_null()) {
    out["band"] = std::move(band);
  }
  return out;
}

/// (H, W) bool: any class of the mask, at the size of the image it belongs to.
at::Tensor any_class(const std::filesystem::path& path, std::int64_t height, std::int64_t width) {
  const auto levels = read_mask_levels(path);
  const auto inside = levels.ne(0).any(0).to(at::kByte);
  return at::upsample_nearest2d(inside.view({1, 1, inside.size(0), inside.size(1)}),
                                {height, width})[0][0]
      .to(at::kBool);
}

}  // namespace

Json band_of(const std::string& measure, const Json& mean) {
  struct Limits {
    std::string_view measure;
    std::array<double, 3> from;  // excellent, good, acceptable
  };
  static constexpr Limits kLimits[] = {{"psnr", {40.0, 30.0, 20.0}},
                                       {"ssim", {0.95, 0.85, 0.70}},
                                       {"dice", {0.9, 0.7, 0.5}},
                                       {"iou", {0.8, 0.5, 0.3}}};
  static constexpr std::array<const char*, 3> kNames{"excellent", "good", "acceptable"};
  for (const auto& limits : kLimits) {
    if (limits.measure == measure && mean.is_number()) {
      for (std::size_t i = 0; i < kNames.size(); ++i) {
        // The best band begins above its limit, as the original writes ">40 dB", "30-40 dB".
        const double value = mean.get<double>();
        if (i == 0 ? value > limits.from[i] : value >= limits.from[i]) {
          return kNames[i];
        }
      }
      return "poor";
    }
  }
  return nullptr;
}

Json image_quality(Table& table, bool resize_reference, std::uint64_t seed,
                   const OnProgress& on_progress) {
  table.for_each(
      [&](Row& row) {
        const auto generated = read_image(row.item.generated);
        auto reference = read_image(*row.item.reference);
        if (resize_reference) {
          reference = brought_to(reference, generated);
        }
        const auto q = compare_images(generated, reference);
        row.values["psnr"] = or_null(q.psnr);
        row.values["ssim"] = or_null(q.ssim);
        row.values["ms_ssim"] = or_null(q.ms_ssim);
        row.values["mae"] = q.mae;
        row.values["mse"] = q.mse;
        row.values["data_range"] = q.data_range;
      },
      on_progress);
  Json out = Json::object();
  for (const auto* const measure : {"psnr", "ssim", "ms_ssim", "mae", "mse"}) {
    out[measure] = banded(measure, table.column(measure), seed);
  }
  std::int64_t identical = 0;
  for (const double mse : table.column("mse")) {
    identical += mse == 0.0 ? 1 : 0;
  }
  out["identical"] = identical;  // no PSNR: it would be infinite
  return out;
}

std::optional<std::array<double, 2>> spacing_at(const EvaluationItem& item, std::int64_t height,
                                                std::int64_t width) {
  if (!item.spacing_mm) {
    return std::nullopt;
  }
  const auto stored = read_image(item.spacing_of);
  const auto scaled = [](double mm, std::int64_t from, std::int64_t to) {
    return mm * static_cast<double>(from) / static_cast<double>(to);
  };
  return std::array<double, 2>{scaled((*item.spacing_mm)[0], stored.height(), height),
                               scaled((*item.spacing_mm)[1], stored.width(), width)};
}

void add_agreement(Row& row, const std::string& prefix, const at::Tensor& predicted,
                   const at::Tensor& wanted) {
  const auto found = overlap(predicted, wanted);
  row.values[prefix + "dice"] = found.dice();
  row.values[prefix + "iou"] = found.iou();
  const auto add_distance = [&](const std::optional<SurfaceDistance>& d, const char* unit) {
    row.values[prefix + "hd95_" + unit] = d ? Json(d->hausdorff95) : Json(nullptr);
    row.values[prefix + "assd_" + unit] = d ? Json(d->average) : Json(nullptr);
  };
  add_distance(surface_distance(predicted, wanted), "pixels");
  if (const auto mm = spacing_at(row.item, wanted.size(0), wanted.size(1))) {
    add_distance(surface_distance(predicted, wanted, *mm), "mm");
  }
}

Json agreement_summary(const Table& table, const std::string& prefix, std::uint64_t seed) {
  Json out = Json::object();
  for (const auto* const measure : {"dice", "iou", "hd95_pixels", "assd_pixels"}) {
    out[measure] = banded(measure, table.column(prefix + measure), seed);
  }
  for (const auto* const measure : {"hd95_mm", "assd_mm"}) {
    if (const auto values = table.column(prefix + measure); !values.empty()) {
      out[measure] = summary_json(values, seed);
    }
  }
  return out;
}

Json colour_agreement(Table& table, ColourRule rule, std::uint64_t seed,
                      const OnProgress& on_progress) {
  table.for_each(
      [&](Row& row) {
        if (!row.item.mask) {
          return;
        }
        const auto image = read_image(row.item.generated);
        add_agreement(row, "colour_", colour_mask(image, rule).mask,
                      any_class(*row.item.mask, image.height(), image.width()));
      },
      on_progress);
  if (table.column("colour_dice").empty()) {
    throw Error(ErrorCode::kData, "--evaluate-structure", "no generated image has a mask",
                "give --masks DIR, or a manifest with mask_path");
  }
  auto out = agreement_summary(table, "colour_", seed);
  out["method"] = "colour heuristic";
  out["rule"] = std::string(enum_name(rule));
  return out;
}

}  // namespace medaug
