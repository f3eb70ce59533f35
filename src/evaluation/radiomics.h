// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace medaug {

/// Names of the features, in the order of `radiomics`.
const std::vector<std::string>& radiomics_names();

/// Intensity and texture of a whole image as the Image Biomarker Standardisation Initiative defines
/// them (Zwanenburg et al., Radiology 295, 2020): first-order statistics of the grey levels, then
/// features of the grey-level co-occurrence matrix (32 levels over the full range, distance 1, four
/// directions merged, symmetric) and of the neighbouring grey tone differences (distance 1). Roots
/// stand for the cluster features and a logarithm for the coarseness, which would otherwise span
/// many powers of ten. Colour goes to grey by ITU-R 601 luma. For the Fréchet radiomics distance
/// (arXiv 2412.01496).
/// @param image  (C, H, W) float32 in [-1, 1], C = 1 or 3
/// @return       (features) float64, all finite
at::Tensor radiomics(const at::Tensor& image);

}  // namespace medaug
