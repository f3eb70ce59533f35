// SPDX-License-Identifier: MIT
#include "evaluation/agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/preprocess.h"
#include "evaluation/pairs.h"
#include "image/image.h"

namespace medaug {
namespace {

using at::Tensor;

/// What the segmenter found and what it should have found: (N, K, H, W) bool.
struct Found {
  Tensor predicted, wanted;
  std::vector<std::int64_t> rows;  ///< of the table

  Tensor dice() const { return class_dice(predicted, wanted); }
};

/// Looks at the rows that have a mask, through the segmenter's own preprocessing.
Found look(const Segmenter& segmenter, Table& table, const OnProgress& on_progress) {
  const auto& preprocess = segmenter.info().preprocess;
  std::vector<Tensor> predicted, wanted;
  table.stream(
      [&](const EvaluationItem& item) -> Pictures {
        const auto image = preprocess_image(read_image(item.generated), preprocess);
        const auto mask =
            item.mask
                ? preprocess_mask(read_mask_levels(*item.mask), preprocess, item.mask->string())
                : at::zeros({preprocess.mask_classes, preprocess.height(), preprocess.width()});
        return {image, mask};
      },
      [&](const Tensor& images, const Tensor& masks) {
        predicted.push_back(segmenter.probabilities(images).ge(0.5));
        wanted.push_back(masks.ge(0.5));
      },
      on_progress);
  Found found;
  for (std::int64_t i = 0; i < table.size(); ++i) {
    if (table.rows()[static_cast<std::size_t>(i)].item.mask) {
      found.rows.push_back(i);
    }
  }
  if (!found.rows.empty()) {
    const auto index = at::tensor(found.rows);
    found.predicted = at::cat(predicted).index_select(0, index);
    found.wanted = at::cat(wanted).index_select(0, index);
  }
  return found;
}

std::vector<double> finite(const Tensor& x) {
  const auto flat = x.flatten().contiguous();
  const auto* const data = flat.const_data_ptr<double>();
  std::vector<double> out;
  std::copy_if(data, data + flat.numel(), std::back_inserter(out),
               [](double v) { return std::isfinite(v); });
  return out;
}

std::string class_name(const PreprocessOptions& preprocess, std::int64_t k) {
  const auto i = static_cast<std::size_t>(k);
  return i < preprocess.class_names.size() ? preprocess.class_names[i]
                                           : "class_" + std::to_string(k + 1);
}

/// Dice by tercile of the masks' area; null for fewer than three masks.
Json by_size(const Tensor& dice, const Tensor& area, std::uint64_t seed) {
  const auto known = dice.isfinite();
  auto areas = finite(area.masked_select(known));
  if (areas.size() < 3) {
    return nullptr;
  }
  std::sort(areas.begin(), areas.end());
  const double low = areas[areas.size() / 3], high = areas[areas.size() * 2 / 3];
  const auto part = [&](const Tensor& rows) {
    return summary_json(finite(dice.masked_select(rows.logical_and(known))), seed);
  };
  return {{"small", part(area.lt(low))},
          {"medium", part(area.ge(low).logical_and(area.lt(high)))},
          {"large", part(area.ge(high))},
          {"area_limits", {low, high}}};
}

/// @param dice  (N, K), NaN for classes that the mask does not have
Json dice_tables(const Tensor& dice, const Tensor& wanted, const PreprocessOptions& preprocess,
                 std::uint64_t seed) {
  const auto by_image = dice.nanmean(1);
  auto out = summary_json(finite(by_image), seed);
  Json classes = Json::object();
  for (std::int64_t k = 0; k < dice.size(1); ++k) {
    classes[class_name(preprocess, k)] = summary_json(finite(dice.select(1, k)), seed);
  }
  out["per_class"] = classes;
  out["per_size"] = by_size(by_image, wanted.any(1).to(at::kDouble).mean({1, 2}), seed);
  return out;
}

void fill_columns(Table& table, const Found& found, const PreprocessOptions& preprocess) {
  const auto dice = found.dice();
  const auto mean = dice.nanmean(1);
  for (std::size_t i = 0; i < found.rows.size(); ++i) {
    auto& row = table.rows()[static_cast<std::size_t>(found.rows[i])];
    const auto n = static_cast<std::int64_t>(i);
    const auto wanted = found.wanted[n].any(0);
    add_agreement(row, "", found.predicted[n].any(0), wanted);
    row.values["mean_dice"] = number_or_null(mean[n].item<double>());
    row.values["mask_share"] = wanted.to(at::kDouble).mean().item<double>();
    for (std::int64_t k = 0; dice.size(1) > 1 && k < dice.size(1); ++k) {
      row.values["dice_" + class_name(preprocess, k)] = number_or_null(dice[n][k].item<double>());
    }
  }
}

}  // namespace

Json segmenter_agreement(const Segmenter& segmenter, Table& generated, Table* reference,
                         std::uint64_t seed, const OnProgress& on_progress) {
  const auto& preprocess = segmenter.info().preprocess;
  const auto made = look(segmenter, generated, on_progress);
  if (made.rows.empty()) {
    throw Error(ErrorCode::kData, "--segmenter", "no generated image has a mask",
                "give --masks DIR, or a manifest with mask_path");
  }
  fill_columns(generated, made, preprocess);
  const auto mean = [](const Json& table) {
    return table["mean"].is_number() ? table["mean"].get<double>() : std::nan("");
  };
  Json out;
  out["generated"] = dice_tables(made.dice(), made.wanted, preprocess, seed);
  // Each image against the mask of another one, as far away in the list as can be.
  const auto n = made.wanted.size(0);
  if (n > 1) {
    const auto other = made.wanted.roll({n / 2}, {0});
    out["null"] = dice_tables(class_dice(made.predicted, other), other, preprocess, seed);
  }
  if (reference != nullptr) {
    const auto real = look(segmenter, *reference, {});
    if (!real.rows.empty()) {
      out["ceiling"] = dice_tables(real.dice(), real.wanted, preprocess, seed);
      const double top = mean(out["ceiling"]);
      out["over_ceiling"] = number_or_null(mean(out["generated"]) / top);
      if (out.contains("null")) {
        out["null_over_ceiling"] = number_or_null(mean(out["null"]) / top);
      }
    }
  }
  out["outlines"] = agreement_summary(generated, "", seed);
  out["segmenter"] = {{"sha256", segmenter.hash()}, {"training", segmenter.info().training}};
  return out;
}

}  // namespace medaug
