// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "training/optimizer.h"
#include "training/options.h"

namespace medaug {

/// Whether `pick_device` means a GPU: there is one and the choice does not exclude it.
bool runs_on_cuda(DeviceChoice choice);

/// @param where  the setting or flag that made the choice, for the message
/// @throws Error kResource when CUDA is asked for and not there
at::Device pick_device(DeviceChoice choice, const std::string& where);

/// What the network runs in; the master weights are float32 in any case.
at::ScalarType compute_dtype(const TrainingOptions& options);

MuonOptions muon_options(const TrainingOptions& options);

}  // namespace medaug
