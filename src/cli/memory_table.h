// SPDX-License-Identifier: MIT
#pragma once

#include "cli/globals.h"
#include "training/run_config.h"

namespace medaug::cli {

/// What can be trained on cards of 24, 40, 80 and 141 GB, and with how many images at once: the
/// config's own model, and the presets 2b and 2b-gqa on the latents of 512 and 1024 pixels. All
/// weights, all weights with the optimiser's state in bfloat16, or adapters of rank 16; with and
/// without checkpointed activations. Precision, averages and accumulation are those of the config.
Result memory_table(const RunConfig& config);

}  // namespace medaug::cli
