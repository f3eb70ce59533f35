// SPDX-License-Identifier: MIT
#include "training/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "base/heap.h"
#include "base/random.h"
#include "nn/cpu/kernels.h"
#include "training/muon.h"

namespace medaug {
namespace {

using at::Tensor;

double sum_squares(const Tensor& gradient_in, std::int64_t chunk) {
  const auto gradient = gradient_in.contiguous();
  const auto chunks = (gradient.numel() + chunk - 1) / chunk;
  std::vector<double> sums(static_cast<std::size_t>(chunks), 0.0);
  const auto& kernels = nn::cpu::optimizer_kernels();
  at::parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (auto i = first; i < last; ++i) {
      const auto begin = i * chunk, n = std::min(chunk, gradient.numel() - begin);
      sums[static_cast<std::size_t>(i)] =
          gradient.scalar_type() == at::kBFloat16
              ? kernels.sum_squares_bf16(
                    static_cast<const nn::cpu::Bf16*>(gradient.const_data_ptr()) + begin, n)
              : kernels.sum_squares_float(gradient.const_data_ptr<float>() + begin, n);
    }
  });
  double total = 0.0;
  for (const double sum : sums) {
    total += sum;
  }
  return total;
}

at::ScalarType full_dtype(at::ScalarType compute) {
  return compute == at::kDouble ? at::kDouble : at::kFloat;
}

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& tensor,
                         const std::string& what) {
  throw Error(ErrorCode::kCheckpoint, file.path.string() + ": " + tensor, what,
              "it was saved by a run with another model; start a new run or use its config");
}

}  // namespace

AdamW::AdamW(NamedTensors parameters, const AdamWOptions& options, at::ScalarType compute,
             int averages, const MuonOptions& muon)
    : options_(options), muon_(muon) {
  MEDAUG_ASSERT(!parameters.empty() && averages >= 0 && averages <= kMostAverages);
  std::int64_t total = 0;
  for (auto& [name, parameter] : parameters) {
    const bool orthogonal = muon.lr_ratio > 0.0 && is_hidden_matrix(name, parameter);
    slots_.push_back({name, parameter, total, parameter.numel(), 0, orthogonal});
    total += parameter.numel();
  }
  take_over_parameters(total, compute);
  const auto full = full_dtype(compute);
  const auto kept = options.state == at::kBFloat16 ? at::kBFloat16 : full;
  momentum_ = StateArray(total, full, kept, master_.device());
  variance_ = StateArray(total, full, kept, master_.device());
  for (int k = 0; k < averages; ++k) {
    averages_.push_back(master_.clone());
  }
}

// One parameter after the other, so that the weights are never there twice.
void AdamW::take_over_parameters(std::int64_t total, at::ScalarType compute) {
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().device(slots_.front().parameter.device());
  const auto full = full_dtype(compute);
  master_ = at::empty({total}, options.dtype(full));
  copy_ = compute == full ? master_ : at::empty({total}, options.dtype(compute));
  for (auto& slot : slots_) {
    view(master_, slot).copy_(slot.parameter);
    if (!copy_.is_same(master_)) {
      view(copy_, slot).copy_(slot.parameter);
    }
    slot.parameter.set_data(view(copy_, slot));
  }
  give_back_freed_memory();
}

bool AdamW::fused(const Tensor& master, const Tensor& gradient) {
  return master.device().is_cpu() && master.scalar_type() == at::kFloat &&
         (gradient.scalar_type() == at::kFloat || gradient.scalar_type() == at::kBFloat16);
}

std::uint32_t AdamW::rounding_key(const Slot& slot, int array) const {
  const auto place = static_cast<std::uint64_t>(&slot - slots_.data()) * 2;
  return RandomStream(options_.seed, Purpose::kRounding, static_cast<std::uint64_t>(slot.steps),
                      place + static_cast<std::uint64_t>(array))
      .next_u32();
}

Tensor AdamW::view(const Tensor& flat, const Slot& slot) const {
  return flat.slice(0, slot.offset, slot.offset + slot.size).view(slot.parameter.sizes());
}

Tensor AdamW::gradient(const Slot& slot) const {
  return sum_.defined() ? view(sum_, slot) : slot.parameter.grad();
}

double AdamW::gradient_norm() const {
  double total = 0.0;
  std::vector<at::Tensor> elsewhere;  // on a GPU: one wait for all of them
  for (const auto& slot : slots_) {
    const auto g = gradient(slot);
    if (g.defined() && fused(master_, g)) {
      total += sum_squares(g, kChunk);
    } else if (g.defined()) {
      elsewhere.push_back(g.to(at::kDouble).square().sum());
    }
  }
  if (!elsewhere.empty()) {
    total += at::stack(elsewhere).sum().item<double>();
  }
  return std::sqrt(total);
}

void AdamW::clear_gradients() {
  for (auto& slot : slots_) {
    slot.parameter.mutable_grad().reset();
  }
  sum_.reset();
}

void AdamW::accumulate_gradients() {
  const at::NoGradGuard no_grad;
  if (!sum_.defined()) {
    sum_ = at::zeros_like(master_);
  }
  for (auto& slot : slots_) {
    if (slot.parameter.grad().defined()) {
      view(sum_, slot).add_(slot.parameter.grad());
      slot.parameter.mutable_grad().reset();
    }
  }
}

void AdamW::step(double lr, double gradient_scale, const std::vector<double>& average_decay) {
  const at::NoGradGuard no_grad;
  MEDAUG_ASSERT(average_decay.size() == averages_.size());
  for (auto& slot : slots_) {
    const auto g = gradient(slot);
    if (!g.defined()) {
      continue;
    }
    ++slot.steps;
    if (slot.orthogonal) {
      continue;
    }
    if (fused(master_, g)) {
      step_fused(slot, lr, gradient_scale, average_decay);
    } else {
      step_plain(slot, lr, gradient_scale, average_decay);
    }
  }
  if (muon_.lr_ratio > 0.0) {
    step_orthogonal(lr * muon_.lr_ratio, gradient_scale, average_decay);
  }
}

void AdamW::update_average_and_copy(const Slot& slot, const std::vector<double>& average_decay) {
  const auto p = view(master_, slot);
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    view(averages_[k], slot).mul_(average_decay[k]).add_(p, 1.0 - average_decay[k]);
  }
  if (!copy_.is_same(master_)) {
    view(copy_, slot).copy_(p);
  }
}

void AdamW::set_averages(nn::cpu::AdamWArgs& args, const std::vector<double>& average_decay) const {
  args.emas = static_cast<int>(averages_.size());
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    args.ema_decay[k] = static_cast<float>(average_decay[k]);
  }
}

/// The arguments for the elements from `offset` on.
nn::cpu::AdamWArgs AdamW::args_at(nn::cpu::AdamWArgs args, std::int64_t offset) const {
  const bool low = copy_.scalar_type() == at::kBFloat16;
  args.weight = master_.mutable_data_ptr<float>() + offset;
  args.shadow = low ? static_cast<nn::cpu::Bf16*>(copy_.mutable_data_ptr()) + offset : nullptr;
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    args.ema[k] = averages_[k].mutable_data_ptr<float>() + offset;
  }
  return args;
}

void AdamW::step_fused(Slot& slot, double lr, double gradient_scale,
                       const std::vector<double>& average_decay) {
  const auto g = gradient(slot).contiguous();
  nn::cpu::AdamWArgs base;
  base.lr = static_cast<float>(lr);
  base.rest1 = static_cast<float>(1.0 - options_.beta1);
  base.rest2 = static_cast<float>(1.0 - options_.beta2);
  base.beta2 = static_cast<float>(options_.beta2);
  base.eps = static_cast<float>(options_.eps);
  base.weight_decay = static_cast<float>(options_.weight_decay);
  base.correction1 =
      static_cast<float>(1.0 - std::pow(options_.beta1, static_cast<double>(slot.steps)));
  base.correction2_sqrt = static_cast<float>(
      std::sqrt(1.0 - std::pow(options_.beta2, static_cast<double>(slot.steps))));
  base.grad_scale = static_cast<float>(gradient_scale);
  set_averages(base, average_decay);
  const auto& kernels = nn::cpu::optimizer_kernels();
  const auto key1 = rounding_key(slot, 0), key2 = rounding_key(slot, 1);
  at::parallel_for(0, slot.size, kChunk, [&](std::int64_t begin, std::int64_t end) {
    const auto offset = slot.offset + begin;
    std::vector<float> room1, room2;
    auto args = args_at(base, offset);
    args.momentum = momentum_.load(offset, end - begin, room1);
    args.variance = variance_.load(offset, end - begin, room2);
    if (g.scalar_type() == at::kBFloat16) {
      kernels.adamw_bf16(args, static_cast<const nn::cpu::Bf16*>(g.const_data_ptr()) + begin,
                         end - begin);
    } else {
      kernels.adamw_float(args, g.const_data_ptr<float>() + begin, end - begin);
    }
    momentum_.store(offset, begin, room1, key1);
    variance_.store(offset, begin, room2, key2);
  });
}

void AdamW::step_plain(Slot& slot, double lr, double gradient_scale,
                       const std::vector<double>& average_decay) {
  const auto g = gradient(slot).to(master_.scalar_type()) * gradient_scale;
  auto p = view(master_, slot);
  auto m = momentum_.read(slot.offset, slot.size).view(p.sizes());
  auto v = variance_.read(slot.offset, slot.size).view(p.sizes());
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(slot.steps));
  const double correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(slot.steps));
  p.mul_(1.0 - lr * options_.weight_decay);
  m.lerp_(g, 1.0 - options_.beta1);
  v.mul_(options_.beta2).addcmul_(g, g, 1.0 - options_.beta2);
  p.addcdiv_(m, (v.sqrt() / std::sqrt(correction2)).add_(options_.eps), -lr / correction1);
  momentum_.write(slot.offset, m, rounding_key(slot, 0));
  variance_.write(slot.offset, v, rounding_key(slot, 1));
  update_average_and_copy(slot, average_decay);
}

void AdamW::use_average(int index) {
  const at::NoGradGuard no_grad;
  const bool own = copy_.is_same(master_);
  for (auto& slot : slots_) {
    if (index < 0) {
      if (own) {
        slot.parameter.set_data(view(master_, slot));
      } else {
        slot.parameter.copy_(view(master_, slot));
      }
    } else if (own) {
      slot.parameter.set_data(view(averages_[static_cast<std::size_t>(index)], slot));
    } else {
      slot.parameter.copy_(view(averages_[static_cast<std::size_t>(index)], slot));
    }
  }
}

// Not of all weights at once: that takes as much memory as they do. A GPU is waited for once.
bool AdamW::is_finite() const {
  std::vector<Tensor> finite;
  for (const auto& slot : slots_) {
    finite.push_back(at::isfinite(view(master_, slot)).all());
  }
  return at::stack(finite).all().item<bool>();
}

NamedTensors AdamW::weights(int average) const {
  NamedTensors out;
  const auto& flat = average < 0 ? master_ : averages_[static_cast<std::size_t>(average)];
  for (const auto& slot : slots_) {
    out.emplace_back(slot.name, view(flat, slot));
  }
  return out;
}

NamedTensors AdamW::state() const {
  NamedTensors out;
  const auto add = [&](const std::string& prefix, const Tensor& flat) {
    for (const auto& slot : slots_) {
      out.emplace_back(prefix + slot.name, view(flat, slot));
    }
  };
  add("weight.", master_);
  add("momentum.", momentum_.tensor());
  add("variance.", variance_.tensor());
  for (std::size_t k = 0; k < averages_.size(); ++k) {
    add("average" + std::to_string(k) + ".", averages_[k]);
  }
  for (const auto& slot : slots_) {
    out.emplace_back("steps." + slot.name,
                     at::scalar_tensor(slot.steps, at::TensorOptions().dtype(at::kLong)));
  }
  return out;
}

void AdamW::load_state(const SafetensorsFile& file) {
  const at::NoGradGuard no_grad;
  const auto current = state();
  for (const auto& [name, tensor] : current) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) {
      refuse(file, name, "is missing");
    }
    if (found->second.sizes() != tensor.sizes() ||
        found->second.scalar_type() != tensor.scalar_type()) {
      refuse(file, name, "has another shape or dtype than this model");
    }
  }
  for (const auto& [name, tensor] : current) {
    if (name.rfind("steps.", 0) != 0) {
      Tensor(tensor).copy_(file.tensors.at(name));
    }
  }
  for (auto& slot : slots_) {
    slot.steps = file.tensors.at("steps." + slot.name).item<std::int64_t>();
  }
  if (!copy_.is_same(master_)) {
    copy_.copy_(master_);
  }
}

double clip_scale(double norm, double max_norm) { return std::min(1.0, max_norm / (norm + 1e-6)); }

double schedule_factor(Schedule schedule, double progress, double floor) {
  if (schedule == Schedule::kConstant) {
    return 1.0;
  }
  const double share = 0.5 * (1.0 + std::cos(std::numbers::pi * std::clamp(progress, 0.0, 1.0)));
  return floor + (1.0 - floor) * share;
}

}  // namespace medaug
