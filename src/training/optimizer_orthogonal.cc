// SPDX-License-Identifier: MIT
// Muon's part of the optimiser.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "nn/cpu/kernels.h"
#include "training/muon.h"
#include "training/optimizer.h"

namespace medaug {

using at::Tensor;

// Matrices of one shape go through the Newton-Schulz steps together: few large products instead of
// many small ones.
void AdamW::step_orthogonal(double lr, double gradient_scale,
                            const std::vector<double>& average_decay) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<const Slot*>> groups;
  for (const auto& slot : slots_) {
    if (slot.orthogonal && gradient(slot).defined()) {
      groups[{slot.parameter.size(0), slot.size / slot.parameter.size(0)}].push_back(&slot);
    }
  }
  for (const auto& [shape, members] : groups) {
    const auto [rows, columns] = shape;
    auto directions = at::empty({static_cast<std::int64_t>(members.size()), rows, columns},
                                copy_.options().dtype(muon_dtype()));
    for (std::size_t i = 0; i < members.size(); ++i) {
      write_direction(*members[i], gradient_scale, directions[static_cast<std::int64_t>(i)]);
    }
    const bool tall = rows > columns;
    auto updates = orthogonalised(tall ? directions.transpose(1, 2) : directions);
    updates = tall ? updates.transpose(1, 2).contiguous() : updates;  // (B, rows, columns)
    const double factor = 0.2 * std::sqrt(static_cast<double>(std::max(rows, columns)));
    const double decay = options_.weight_decay / factor;  // a step of lr weight_decay, even at lr 0
    for (std::size_t i = 0; i < members.size(); ++i) {
      apply_update(*members[i], updates[static_cast<std::int64_t>(i)], lr * factor, decay,
                   average_decay);
    }
  }
}

at::ScalarType AdamW::muon_dtype() const {
  return fused(master_, master_) ? at::kBFloat16 : master_.scalar_type();
}

/// Momentum, and the direction of the update before it is made orthogonal.
void AdamW::write_direction(const Slot& slot, double gradient_scale, const Tensor& direction) {
  const auto g = gradient(slot).contiguous();
  if (!fused(master_, g)) {
    const auto scaled = (g.to(master_.scalar_type()) * gradient_scale).view(direction.sizes());
    auto m = momentum_.read(slot.offset, slot.size).view(direction.sizes());
    m.lerp_(scaled, 1.0 - muon_.momentum);
    Tensor(direction).copy_(scaled.lerp(m, muon_.momentum));
    momentum_.write(slot.offset, m, rounding_key(slot, 0));
    return;
  }
  const auto& kernels = nn::cpu::optimizer_kernels();
  const auto momentum = static_cast<float>(muon_.momentum);
  const auto scale = static_cast<float>(gradient_scale);
  const auto key = rounding_key(slot, 0);
  auto* out = static_cast<nn::cpu::Bf16*>(direction.mutable_data_ptr());
  at::parallel_for(0, slot.size, kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> room;
    auto* m = momentum_.load(slot.offset + begin, end - begin, room);
    if (g.scalar_type() == at::kBFloat16) {
      const auto* grad = static_cast<const nn::cpu::Bf16*>(g.const_data_ptr());
      kernels.nesterov_bf16(grad + begin, m, out + begin, momentum, scale, end - begin);
    } else {
      kernels.nesterov_float(g.const_data_ptr<float>() + begin, m, out + begin, momentum, scale,
                             end - begin);
    }
    momentum_.store(slot.offset + begin, begin, room, key);
  });
}

void AdamW::apply_update(const Slot& slot, const Tensor& update, double step, double decay,
                         const std::vector<double>& average_decay) {
  if (!fused(master_, update)) {
    auto p = view(master_, slot);
    p.mul_(1.0 - step * decay).sub_(update.view(p.sizes()), step);
    update_average_and_copy(slot, average_decay);
    return;
  }
  nn::cpu::AdamWArgs base;
  base.lr = static_cast<float>(step);
  base.weight_decay = static_cast<float>(decay);
  set_averages(base, average_decay);
  const auto* from = static_cast<const nn::cpu::Bf16*>(update.const_data_ptr());
  at::parallel_for(0, slot.size, kChunk, [&](std::int64_t begin, std::int64_t end) {
    const auto args = args_at(base, slot.offset + begin);
    nn::cpu::optimizer_kernels().apply_update(args, from + begin, end - begin);
  });
}

}  // namespace medaug
