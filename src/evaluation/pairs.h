// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "evaluation/colour_mask.h"
#include "evaluation/table.h"

// Measures of one generated image at a time: against its reference and against its mask.

namespace medaug {

/// PSNR, SSIM, MS-SSIM, MAE and MSE of each image against its reference. A pair of different sizes
/// or channels is skipped.
/// Columns: psnr, ssim, ms_ssim, mae, mse.
/// @param resize_reference  bring references to the size and the channels of the generated images
///                          first, as training does
/// @return  {"psnr": {...}, "ssim": {...}, "ms_ssim": {...}, "mae": {...}, "mse": {...},
///           "identical": n, "data_range": levels}, each summary with "band" where there is one
Json image_quality(Table& table, bool resize_reference, std::uint64_t seed,
                   const OnProgress& on_progress = {});

/// What a colour rule takes for the lesion against the mask. Images without a mask do not count.
/// Columns: colour_dice, colour_iou, colour_hd95_pixels, colour_assd_pixels and, where the spacing
/// is known, colour_hd95_mm, colour_assd_mm.
/// @throws Error kData when no image has a mask
Json colour_agreement(Table& table, ColourRule rule, std::uint64_t seed,
                      const OnProgress& on_progress = {});

/// Millimetres of a pixel when the picture that a spacing is meant for has (height, width) pixels
/// instead. None without a spacing.
std::optional<std::array<double, 2>> spacing_at(const EvaluationItem& item, std::int64_t height,
                                                std::int64_t width);

/// Writes Dice, IoU and the distances of the outlines into columns that begin with `prefix`.
/// @param predicted, wanted  (H, W) bool
void add_agreement(Row& row, const std::string& prefix, const at::Tensor& predicted,
                   const at::Tensor& wanted);

/// The summaries of those columns under their names without the prefix; those in millimetres only
/// where there are any.
Json agreement_summary(const Table& table, const std::string& prefix, std::uint64_t seed);

/// "excellent", "good", "acceptable" or "poor" by the bands of the original system: PSNR 40, 30, 20
/// dB; SSIM 0.95, 0.85, 0.70; Dice 0.9, 0.7, 0.5; IoU 0.8, 0.5, 0.3. Null for other measures.
Json band_of(const std::string& measure, const Json& mean);

}  // namespace medaug
