// SPDX-License-Identifier: MIT
#include "models/tiles.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace medaug {

using at::Tensor;

namespace {

/// Weights of one tile along a side: (length) float32, rising from an edge that another tile
/// overlaps.
Tensor ramp(std::int64_t length, std::int64_t rise, bool from_start, bool to_end) {
  const auto weights = at::ones({length}, at::kFloat);
  float* const w = weights.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < rise; ++i) {
    const double turn = (static_cast<double>(i) + 0.5) / static_cast<double>(rise);
    const double root = std::sin(0.5 * std::numbers::pi * turn);
    const auto value = static_cast<float>(root * root);
    w[i] *= from_start ? value : 1.0F;
    w[length - 1 - i] *= to_end ? value : 1.0F;
  }
  return weights;
}

struct Side {
  std::vector<std::int64_t> starts;
  std::int64_t tile = 0;

  Side(std::int64_t places, const TilePlan& plan)
      : starts(tile_starts(places, plan)), tile(std::min(places, plan.tile)) {}
  Tensor weights(std::size_t i, std::int64_t out_cell, const TilePlan& plan) const {
    const auto rise = std::min(plan.overlap, tile) * out_cell;
    return ramp(tile * out_cell, rise, i > 0, i + 1 < starts.size());
  }
};

}  // namespace

std::vector<std::int64_t> tile_starts(std::int64_t side, const TilePlan& plan) {
  if (side <= plan.tile) {
    return {0};
  }
  const auto step = plan.tile - plan.overlap;
  const auto gaps = (side - plan.tile + step - 1) / step;
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i <= gaps; ++i) {
    starts.push_back((i * (side - plan.tile) + gaps / 2) / gaps);
  }
  return starts;
}

Tensor in_tiles(const Tensor& x, std::int64_t cell, std::int64_t out_cell, const TilePlan& plan,
                const std::function<Tensor(const Tensor&)>& work) {
  const Side rows(x.size(2) / cell, plan), columns(x.size(3) / cell, plan);
  if (rows.starts.size() == 1 && columns.starts.size() == 1) {
    return work(x);
  }
  Tensor sum, weight;
  for (std::size_t r = 0; r < rows.starts.size(); ++r) {
    for (std::size_t c = 0; c < columns.starts.size(); ++c) {
      const auto top = rows.starts[r], left = columns.starts[c];
      const auto y = work(
          x.narrow(2, top * cell, rows.tile * cell).narrow(3, left * cell, columns.tile * cell));
      if (!sum.defined()) {
        const auto height = x.size(2) / cell * out_cell, width = x.size(3) / cell * out_cell;
        sum = at::zeros({y.size(0), y.size(1), height, width}, y.options());
        weight = at::zeros({height, width}, y.options());
      }
      const auto w =
          (rows.weights(r, out_cell, plan).unsqueeze(1) * columns.weights(c, out_cell, plan))
              .to(y.options());  // (h, w)
      const auto place = [&](const Tensor& all) {
        return all.narrow(-2, top * out_cell, rows.tile * out_cell)
            .narrow(-1, left * out_cell, columns.tile * out_cell);
      };
      place(sum).add_(y * w);
      place(weight).add_(w);
    }
  }
  return sum.div_(weight);
}

}  // namespace medaug
