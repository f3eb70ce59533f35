// SPDX-License-Identifier: MIT
#include "evaluation/distribution.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/concat.h"
#include "data/preprocess.h"
#include "evaluation/appearance.h"
#include "evaluation/feature_distance.h"
#include "image/image.h"

namespace medaug {
namespace {

using at::Tensor;

constexpr std::int64_t kNeighbours = 5;
constexpr std::int64_t kCuts = 4;
/// Pictures kept for the measures of appearance, in numbers: 512 MB.
constexpr std::int64_t kKept = 128LL << 20;

/// A set of images as the measures need it.
struct ImageSet {
  std::vector<Tensor> features;  ///< (N, D) for each space
  Tensor pictures;               ///< (n, C, H, W), evenly chosen when all would be too many
  std::int64_t size = 0;
};

ImageSet read_set(Table& table, const PreprocessOptions& preprocess,
                  std::span<const std::unique_ptr<FeatureExtractor>> spaces,
                  const OnProgress& on_progress) {
  const auto numbers = preprocess.channels * preprocess.height() * preprocess.width();
  const auto every = std::max<std::int64_t>(1, (table.size() * numbers + kKept - 1) / kKept);
  std::vector<std::vector<Tensor>> features(spaces.size());
  std::vector<Tensor> pictures;
  std::int64_t seen = 0;
  table.stream(
      [&](const EvaluationItem& item) -> Pictures {
        return {preprocess_image(read_image(item.generated), preprocess), {}};
      },
      [&](const Tensor& images, const Tensor&) {
        for (std::size_t i = 0; i < spaces.size(); ++i) {
          features[i].push_back(spaces[i]->features(images).to(at::kDouble));
        }
        for (auto k = (every - seen % every) % every; k < images.size(0); k += every) {
          pictures.push_back(images[k].clone());
        }
        seen += images.size(0);
      },
      on_progress);
  if (table.size() < 2) {
    throw Error(ErrorCode::kData, "--distribution",
                "a set of " + std::to_string(table.size()) + " image has no distribution",
                "give at least two images on each side; a hundred for figures that mean something");
  }
  ImageSet out;
  for (const auto& blocks : features) {
    out.features.push_back(at::cat(blocks));
  }
  out.pictures = at::stack(pictures);
  out.size = table.size();
  return out;
}

/// Features of different units to deviations of the real images; those that never change go.
void standardise(const Tensor& real, const std::vector<Tensor*>& sets) {
  const auto mean = real.mean(0), deviation = real.std(0);
  const auto changing = deviation.gt(1e-12).nonzero().squeeze(1);
  for (auto* const set : sets) {
    *set = ((*set - mean) / deviation).index_select(1, changing);
  }
}

Json compare_features(const Tensor& real, const Tensor& generated, std::uint64_t seed) {
  const auto least = std::min(real.size(0), generated.size(0));
  Json out;
  out["generated_images"] = generated.size(0);
  out["real_images"] = real.size(0);
  out["fid"] = least >= 2 ? number_or_null(frechet_distance(real, generated)) : Json(nullptr);
  out["fid_infinity"] = nullptr;
  if (generated.size(0) >= 20) {
    const auto fid = frechet_distance_infinity(real, generated, seed);
    out["fid_infinity"] = {{"value", number_or_null(fid.value)},
                           {"se", number_or_null(fid.deviation)}};
  }
  out["kid"] = nullptr;
  if (least >= 3) {
    const auto kid = kernel_distance(real, generated);
    out["kid"] = {{"value", number_or_null(kid.value)}, {"se", number_or_null(kid.deviation)}};
  }
  const bool enough = least > kNeighbours;
  const auto m = enough ? manifold(real, generated, kNeighbours) : Manifold{};
  const auto known = [&](double value) { return enough ? number_or_null(value) : Json(nullptr); };
  out["precision"] = known(m.precision);
  out["recall"] = known(m.recall);
  out["density"] = known(m.density);
  out["coverage"] = known(m.coverage);
  return out;
}

/// The mean of tables that have the same shape, number by number; null where one is null.
Json mean_of(const std::vector<Json>& tables) {
  Json out = Json::object();
  for (const auto& [key, first] : tables.front().items()) {
    if (first.is_object()) {
      std::vector<Json> inner;
      std::transform(tables.begin(), tables.end(), std::back_inserter(inner),
                     [&key = key](const Json& table) { return table[key]; });
      out[key] = mean_of(inner);
    } else if (first.is_number_float()) {
      double sum = 0.0;
      for (const auto& table : tables) {
        sum += table[key].is_number() ? table[key].get<double>() : std::nan("");
      }
      out[key] = number_or_null(sum / static_cast<double>(tables.size()));
    } else {
      out[key] = first;
    }
  }
  return out;
}

/// The rows in a random order, cut in the middle.
std::pair<Tensor, Tensor> halves(std::int64_t n, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  const auto order = at::randperm(n, generator, at::kLong);
  return {order.narrow(0, 0, n / 2), order.narrow(0, n / 2, n - n / 2)};
}

Json floor_of(const Tensor& reference, const std::optional<Tensor>& training, std::uint64_t seed) {
  if (training) {
    return compare_features(reference, *training, seed);
  }
  std::vector<Json> cuts;
  for (std::int64_t cut = 0; cut < kCuts; ++cut) {
    const auto [a, b] = halves(reference.size(0), seed + static_cast<std::uint64_t>(cut));
    cuts.push_back(
        compare_features(reference.index_select(0, a), reference.index_select(0, b), seed));
  }
  return mean_of(cuts);
}

/// Distances of appearance between two sets.
Json appearance_distances(const Tensor& a, const Tensor& b) {
  return {{"spectrum_distance", number_or_null(spectrum_distance(a, b))},
          {"histogram_distance", number_or_null(histogram_distance(a, b))}};
}

Json appearance_of(const Tensor& pictures, std::int64_t patch) {
  Json out;
  out["images"] = pictures.size(0);
  out["sharpness"] = number_or_null(sharpness(pictures));
  out["seam_ratio"] = patch >= 2 && patch < pictures.size(3)
                          ? number_or_null(seam_ratio(pictures, patch))
                          : Json(nullptr);
  out["spread"] = number_or_null(spread(pictures));
  return out;
}

Json compare_appearance(const ImageSet& generated, const ImageSet& reference,
                        const std::optional<ImageSet>& training,
                        const DistributionOptions& options) {
  Json out;
  out["patch"] = options.patch;
  out["generated"] = appearance_of(generated.pictures, options.patch);
  out["reference"] = appearance_of(reference.pictures, options.patch);
  Json ratio;
  for (const auto* const measure : {"sharpness", "seam_ratio", "spread"}) {
    const auto &made = out["generated"][measure], &real = out["reference"][measure];
    ratio[measure] = made.is_number() && real.is_number()
                         ? number_or_null(made.get<double>() / real.get<double>())
                         : Json(nullptr);
  }
  out["ratio"] = ratio;
  out["distance"] = appearance_distances(generated.pictures, reference.pictures);
  if (training) {
    out["floor"] = appearance_distances(training->pictures, reference.pictures);
    return out;
  }
  const auto [a, b] = halves(reference.pictures.size(0), options.seed);
  out["floor"] = appearance_distances(reference.pictures.index_select(0, a),
                                      reference.pictures.index_select(0, b));
  return out;
}

PreprocessOptions common_size(const Table& generated, Fit fit) {
  const auto first = read_image(generated.rows().front().item.generated);
  PreprocessOptions options;
  options.fit = fit;
  options.image_size = first.height();
  options.image_width = first.width();
  options.channels = first.channels();
  return options;
}

}  // namespace

Json compare_sets(Table& generated, Table& reference, Table* training,
                  std::span<const std::unique_ptr<FeatureExtractor>> spaces,
                  const DistributionOptions& options, const OnProgress& on_progress) {
  const auto preprocess = common_size(generated, options.fit);
  auto made = read_set(generated, preprocess, spaces, on_progress);
  auto real = read_set(reference, preprocess, spaces, on_progress);
  std::optional<ImageSet> trained_on;
  if (training != nullptr) {
    trained_on = read_set(*training, preprocess, spaces, on_progress);
  }
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    if (spaces[i]->has_units()) {
      const auto reference_features = real.features[i];
      standardise(reference_features, {&made.features[i], &real.features[i]});
      if (trained_on) {
        standardise(reference_features, {&trained_on->features[i]});
      }
    }
  }
  Json out;
  out["images"] = {{"generated", made.size},
                   {"reference", real.size},
                   {"training", trained_on ? Json(trained_on->size) : Json(nullptr)},
                   {"height", preprocess.height()},
                   {"width", preprocess.width()},
                   {"channels", preprocess.channels},
                   {"resize", concat({"bicubic, antialiased, ", enum_name(options.fit)})}};
  out["floor"] =
      trained_on ? "training images against the reference" : "random halves of the reference";
  out["spaces"] = Json::array();
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    const auto train_features =
        trained_on ? std::optional<Tensor>(trained_on->features[i]) : std::nullopt;
    Json space = {{"name", spaces[i]->name()},
                  {"sha256", spaces[i]->hash()},
                  {"dimensions", real.features[i].size(1)},
                  {"generated", compare_features(real.features[i], made.features[i], options.seed)},
                  {"floor", floor_of(real.features[i], train_features, options.seed)}};
    if (train_features) {
      space["generated"]["authpct"] = authentic_percent(*train_features, made.features[i]);
      space["floor"]["authpct"] = authentic_percent(*train_features, real.features[i]);
    }
    out["spaces"].push_back(std::move(space));
  }
  out["appearance"] = compare_appearance(made, real, trained_on, options);
  return out;
}

double authentic_percent(Table& training, Table& generated,
                         const std::unique_ptr<FeatureExtractor>& space, Fit fit,
                         const OnProgress& on_progress) {
  const auto preprocess = common_size(generated, fit);
  auto made = read_set(generated, preprocess, {&space, 1}, on_progress).features.front();
  auto real = read_set(training, preprocess, {&space, 1}, on_progress).features.front();
  if (space->has_units()) {
    standardise(Tensor(real), {&made, &real});
  }
  return authentic_percent(real, made);
}

}  // namespace medaug
