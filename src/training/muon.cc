// SPDX-License-Identifier: MIT
#include "training/muon.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace medaug {

at::Tensor orthogonalised(const at::Tensor& matrices) {
  constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
  const auto type = matrices.scalar_type() == at::kBFloat16 ? at::kFloat : matrices.scalar_type();
  const auto norm =
      at::linalg_vector_norm(matrices, 2, at::IntArrayRef({1, 2}), true, type);  // (B, 1, 1)
  auto x = (matrices / (norm + 1e-7)).to(at::kBFloat16);                         // (B, R, C)
  for (int i = 0; i < 5; ++i) {
    const auto a = at::bmm(x, x.transpose(1, 2));  // (B, R, R)
    const auto b = at::baddbmm(a, a, a, kB, kC);   // kB a + kC a a
    x = at::baddbmm(x, b, x, kA, 1.0);             // kA x + b x
  }
  return x.to(matrices.scalar_type());
}

bool is_hidden_matrix(const std::string& name, const at::Tensor& parameter) {
  static constexpr std::array<std::string_view, 10> kOthers{
      "embedding",        "places",       "modulation",       "t_embedder", "cap_embedder",
      "augment_embedder", "final_layer.", "adaLN_modulation", "conv_out",   ".lora_"};
  return parameter.dim() >= 2 &&
         std::none_of(kOthers.begin(), kOthers.end(), [&](std::string_view other) {
           return name.find(other) != std::string::npos;
         });
}

}  // namespace medaug
