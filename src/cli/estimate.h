// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "training/memory_estimate.h"
#include "training/run_config.h"

namespace medaug::cli {

/// What a training run will need, roughly (within a factor of two for activations).
struct Estimate {
  NextDiTOptions model = {};  ///< the network, also where it comes from training.init_from
  std::int64_t parameters = 0;
  std::int64_t trained = 0;        ///< of the parameters
  std::int64_t tokens = 0;         ///< per image
  double program_bytes = 0.0;      ///< before there is a model
  double data_bytes = 0.0;         ///< images and masks, all of them kept in memory
  double weights_bytes = 0.0;      ///< weights, gradients, optimiser, averages
  double activations_bytes = 0.0;  ///< of one batch
  double step_flops = 0.0;         ///< forward and backward of one optimiser step
  double checkpoint_bytes = 0.0;   ///< one checkpoint with the optimiser's state
  double disk_bytes = 0.0;         ///< checkpoints that stay, and the one being written

  double memory_bytes() const {
    return program_bytes + data_bytes + weights_bytes + activations_bytes;
  }
};

/// Allocates nothing: the parameters are counted on the meta device.
/// @param records  of the manifests, held-out ones included; 0 = not known
Estimate estimate_run(const RunConfig& config, std::int64_t records = 0);

/// How a config trains its network, as far as memory is concerned.
MemorySetting memory_setting(const RunConfig& config);

/// What to set when memory does not suffice.
std::string memory_advice(const RunConfig& config, const Estimate& estimate);

}  // namespace medaug::cli
