// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

// A large image in overlapping tiles, for networks that map places to places.

namespace medaug {

struct TilePlan {
  std::int64_t tile = 0;     ///< side of a tile in places of the grid; sides below it are not cut
  std::int64_t overlap = 0;  ///< of neighbours, at least; in [1, tile / 2]
};

/// Where the tiles of a side begin: as few as reach over it, evenly apart, the last one at its end.
std::vector<std::int64_t> tile_starts(std::int64_t side, const TilePlan& plan);

/// Runs `work` on each tile of `x` and blends the results: weights rise over the overlap as sin^2
/// does and are 1 in all at every place, so that neither tile ends abruptly.
/// @param x     (N, C, H, W)
/// @param cell  elements of `x` per place of the grid and side; H and W are multiples of it
/// @param work  maps (N, C, h, w) to (N, D, h out_cell / cell, w out_cell / cell)
/// @param out_cell  elements of the result per place of the grid and side
/// @return      (N, D, H out_cell / cell, W out_cell / cell)
at::Tensor in_tiles(const at::Tensor& x, std::int64_t cell, std::int64_t out_cell,
                    const TilePlan& plan, const std::function<at::Tensor(const at::Tensor&)>& work);

}  // namespace medaug
