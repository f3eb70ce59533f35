// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"
#include "nn/cpu/kernels.h"
#include "training/options.h"
#include "training/state_array.h"

namespace medaug {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  ///< decoupled; a parameter without gradient is not decayed either
  at::ScalarType state = at::kFloat;  ///< of both averages: bfloat16 halves them (StateArray)
  std::uint64_t seed = 0;             ///< of their rounding
};

/// Muon (Jordan et al. 2024) for the matrices inside the network; all other parameters stay with
/// AdamW. The update is the orthogonalised momentum times 0.2 sqrt(max(rows, columns)), so that
/// learning rates are of AdamW's size (Liu et al., arXiv 2502.16982, section 2.2).
struct MuonOptions {
  double lr_ratio = 0.0;  ///< learning rate over AdamW's; 0 = Muon is off
  double momentum = 0.95;
};

/// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over full-precision master weights, with
/// exponential moving averages and the low-precision copy that the network runs on, all in one pass
/// over memory on the CPU.
///
/// The parameters of the network become views of the copy, so nothing is written back after a step.
/// A parameter's own step count starts with its first gradient. Not thread-safe.
class AdamW {
 public:
  /// @param parameters  named leaves of the network; their values become the master weights
  /// @param compute     dtype the network runs in: float32, float64 or bfloat16
  /// @param averages    number of moving averages, at most 3
  AdamW(NamedTensors parameters, const AdamWOptions& options, at::ScalarType compute,
        int averages = 0, const MuonOptions& muon = {});

  /// Global L2 norm of all gradients; not finite when any gradient is not. Independent of the
  /// number of threads.
  double gradient_norm() const;
  /// One step with the gradients that the parameters hold, multiplied by `gradient_scale`.
  /// @param average_decay  one per average: e = d e + (1 - d) p
  void step(double lr, double gradient_scale = 1.0, const std::vector<double>& average_decay = {});
  void clear_gradients();
  /// Adds the gradients to a float32 sum and clears them; the next `step` uses the sum (gradient
  /// accumulation).
  void accumulate_gradients();

  /// Puts the weights of an average into the network (-1 = the trained weights again).
  void use_average(int index);

  /// "weight.<name>", "momentum.<name>", "variance.<name>", "steps.<name>", "average<k>.<name>":
  /// views of the state.
  NamedTensors state() const;
  /// The weights, or those of an average, under the parameters' own names.
  NamedTensors weights(int average = -1) const;
  /// @throws Error kCheckpoint naming the first missing tensor or wrong shape; nothing is changed
  /// then
  void load_state(const SafetensorsFile& file);
  /// Whether every weight is a finite number.
  bool is_finite() const;
  /// Numbers that are trained.
  std::int64_t size() const { return master_.numel(); }

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter;  ///< leaf of the network
    std::int64_t offset = 0;
    std::int64_t size = 0;
    std::int64_t steps = 0;
    bool orthogonal = false;  ///< updated by Muon
  };

  void take_over_parameters(std::int64_t total, at::ScalarType compute);
  at::Tensor view(const at::Tensor& flat, const Slot& slot) const;
  at::Tensor gradient(const Slot& slot) const;
  std::uint32_t rounding_key(const Slot& slot, int array) const;
  void step_fused(Slot& slot, double lr, double gradient_scale,
                  const std::vector<double>& average_decay);
  void step_plain(Slot& slot, double lr, double gradient_scale,
                  const std::vector<double>& average_decay);

  void step_orthogonal(double lr, double gradient_scale, const std::vector<double>& average_decay);
  at::ScalarType muon_dtype() const;
  void write_direction(const Slot& slot, double gradient_scale, const at::Tensor& direction);
  void apply_update(const Slot& slot, const at::Tensor& update, double step, double decay,
                    const std::vector<double>& average_decay);
  void set_averages(nn::cpu::AdamWArgs& args, const std::vector<double>& average_decay) const;
  nn::cpu::AdamWArgs args_at(nn::cpu::AdamWArgs args, std::int64_t offset) const;
  void update_average_and_copy(const Slot& slot, const std::vector<double>& average_decay);

  /// Elements of one task; sums are formed chunk by chunk, in order.
  static constexpr std::int64_t kChunk = 1 << 15;
  /// Whether the kernels of nn/cpu take such tensors.
  static bool fused(const at::Tensor& master, const at::Tensor& gradient);

  AdamWOptions options_;
  MuonOptions muon_;
  std::vector<Slot> slots_;
  at::Tensor master_, copy_, sum_;
  StateArray momentum_, variance_;
  std::vector<at::Tensor> averages_;
};

/// Factor that brings a gradient norm to at most `max_norm`: min(1, max / (norm + 1e-6)), as
/// torch's clip_grad_norm_.
double clip_scale(double norm, double max_norm);

/// Share of the peak learning rate. @param progress  share of the budget used, in [0, 1].
/// Cosine: floor + (1 - floor) (1 + cos(pi progress)) / 2; held at its end, it never rises
/// again
double schedule_factor(Schedule schedule, double progress, double floor);

}  // namespace medaug
