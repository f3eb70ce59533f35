// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"

// The single images of an evaluation.

namespace medaug {

/// The list under "images"; an empty one where there is none.
const Json& image_rows(const Json& evaluation);

/// The keys that any row has, in the order in which they come up.
std::vector<std::string> image_columns(const Json& rows);

/// The measure that tells good images from bad ones: mean_dice, else ssim, else colour_dice, else
/// psnr; empty when no row has any of them.
std::string ranking_measure(const Json& rows);

/// The places of up to `most` rows with the least and the largest value of `measure`, each list
/// from its end inwards. No row is in both.
struct Extremes {
  std::vector<std::size_t> worst;
  std::vector<std::size_t> best;
};
Extremes extremes(const Json& rows, const std::string& measure, std::size_t most);

/// The places of up to `most` rows that are flagged as copies, the highest copy_score first.
std::vector<std::size_t> suspects(const Json& rows, std::size_t most);

}  // namespace medaug
