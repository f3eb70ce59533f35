// SPDX-License-Identifier: MIT
#include "evaluation/planted_copies.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "base/random.h"

namespace medaug {
namespace {

using at::Tensor;

constexpr std::array<std::string_view, 5> kKinds{"flip", "crop", "noise", "intensity", "rotation"};

/// The image at M p + d, coordinates from -1 to 1.
Tensor warped(const Tensor& image, std::array<double, 6> pose) {
  const auto theta = at::tensor(at::ArrayRef<double>(pose), at::kFloat).view({1, 2, 3});
  const auto batch = image.unsqueeze(0);
  const auto grid = at::affine_grid_generator(theta, batch.sizes(), false);
  constexpr int kBicubic = 2, kBorder = 1;
  return at::grid_sampler(batch, grid, kBicubic, kBorder, false).squeeze(0);
}

Tensor flipped(const Tensor& image, RandomStream& random) {
  constexpr std::array<std::array<double, 2>, 3> kWays{{{-1, 1}, {1, -1}, {-1, -1}}};
  const auto [x, y] = kWays[random.below(kWays.size())];
  return warped(image, {x, 0, 0, 0, y, 0});
}

Tensor cropped(const Tensor& image, RandomStream& random) {
  const double side = random.uniform(0.85, 0.95);
  const double x = random.uniform(side - 1.0, 1.0 - side);
  const double y = random.uniform(side - 1.0, 1.0 - side);
  return warped(image, {side, 0, x, 0, side, y});
}

Tensor noisy(const Tensor& image, RandomStream& random) {
  const double deviation = random.uniform(5.0, 20.0) / 127.5;
  auto noise = at::empty_like(image);
  random.fill_normal({noise.mutable_data_ptr<float>(), static_cast<std::size_t>(noise.numel())});
  return image + deviation * noise;
}

Tensor of_other_levels(const Tensor& image, RandomStream& random) {
  const double gamma = std::exp(random.uniform(-0.4, 0.4));
  const double contrast = random.uniform(0.75, 1.25), brightness = random.uniform(-0.1, 0.1);
  return 2.0 * (contrast * ((image + 1.0) / 2.0).clamp(0.0, 1.0).pow(gamma) + brightness) - 1.0;
}

Tensor rotated(const Tensor& image, RandomStream& random) {
  const double sign = random.chance(0.5) ? 1.0 : -1.0;
  const double angle = sign * random.uniform(2.0, 10.0) * std::numbers::pi / 180.0;
  const double c = std::cos(angle), s = std::sin(angle);
  return warped(image, {c, -s, 0, s, c, 0});
}

}  // namespace

PlantedCopies plant_copies(const Tensor& training, std::int64_t count, std::uint64_t seed) {
  constexpr std::array kChanges{flipped, cropped, noisy, of_other_levels, rotated};
  static_assert(kChanges.size() == kKinds.size());
  PlantedCopies out;
  std::vector<Tensor> images;
  for (std::int64_t i = 0; i < count; ++i) {
    RandomStream random(seed, Purpose::kPlantedCopies, static_cast<std::uint64_t>(i));
    const auto kind = static_cast<std::size_t>(i) % kKinds.size();
    const auto source =
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(training.size(0))));
    const auto changed = kChanges[kind](training[source], random);
    images.push_back(((changed.clamp(-1.0, 1.0) + 1.0) * 127.5).round() / 127.5 - 1.0);
    out.source.push_back(source);
    out.kind.emplace_back(kKinds[kind]);
  }
  out.images = at::stack(images);
  return out;
}

}  // namespace medaug
