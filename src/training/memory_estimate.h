// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include "models/autoencoder_options.h"
#include "models/lora.h"
#include "models/options.h"

namespace medaug {

/// How a NextDiT is trained, as far as memory is concerned.
struct MemorySetting {
  NextDiTOptions model = {};
  LoraOptions lora = {};
  bool half = true;        ///< the network runs in bfloat16, master weights are float32
  bool low_state = false;  ///< the optimiser's averages are bfloat16
  bool accumulates = false;
  bool checkpointed = false;  ///< activations
  bool gpu = true;            ///< plain operators and flash attention; else the fused ones of a CPU
  std::int64_t averages = 0;  ///< of the weights
  std::int64_t height = 0, width = 0;  ///< of what the network is given: pixels or latents
  std::optional<AutoencoderOptions> autoencoder = {};  ///< frozen, of latents
  std::int64_t caption_tokens = 0;
};

/// Bytes that training needs, roughly.
struct MemoryEstimate {
  std::int64_t parameters = 0;  ///< adapters included
  std::int64_t trained = 0;
  double weights = 0.0;    ///< frozen and master weights, the network's copy, averages, autoencoder
  double state = 0.0;      ///< of the optimiser
  double gradients = 0.0;  ///< with their sum where they are accumulated
  double workspace = 0.0;  ///< of the optimiser's step, or of the autoencoder on one image
  double per_image = 0.0;  ///< activations

  /// With a batch: activations and the workspace are not there at the same time.
  double bytes(std::int64_t batch) const;
  /// The largest batch that fits, or 0.
  std::int64_t largest_batch(double available) const;
};

/// Allocates nothing: parameters are counted on the meta device.
MemoryEstimate estimate_memory(const MemorySetting& setting);

}  // namespace medaug
