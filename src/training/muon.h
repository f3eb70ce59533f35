// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace medaug {

/// The orthogonal matrix nearest to each of a batch of matrices, roughly: five Newton-Schulz steps
/// with the coefficients of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), in
/// bfloat16. Singular values end in about [0.7, 1.2].
/// @param matrices (B, R, C), R <= C  @return (B, R, C) in the same dtype
at::Tensor orthogonalised(const at::Tensor& matrices);

/// Whether a parameter of a Generator is a matrix inside the network, to which Muon applies: not an
/// embedding, not a modulation, not the last layer, not an adapter, not a vector.
bool is_hidden_matrix(const std::string& name, const at::Tensor& parameter);

}  // namespace medaug
