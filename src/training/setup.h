// SPDX-License-Identifier: MIT
#pragma once

#include "models/generator.h"
#include "training/optimizer.h"
#include "training/options.h"

namespace medaug {

/// @throws Error kResource when CUDA is asked for and not there
at::Device pick_device(DeviceChoice choice);

/// What the network runs in; the master weights are float32 in any case.
at::ScalarType compute_dtype(const TrainingOptions& options);

MuonOptions muon_options(const TrainingOptions& options);

/// The parameters under the names that checkpoints use.
NamedTensors named_parameters(const Generator& model);

}  // namespace medaug
