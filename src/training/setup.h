// SPDX-License-Identifier: MIT
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

#include "models/lora.h"
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

AdamWOptions adamw_options(const TrainingOptions& options);
MuonOptions muon_options(const TrainingOptions& options);

/// Puts adapters beside the weights of a model that was filled and turns what stands still into the
/// dtype that the network runs in. On the model's device.
void prepare_adapters(torch::nn::Module& model, const LoraOptions& options, std::uint64_t seed,
                      at::ScalarType compute);

/// Parameters that are trained, under their names.
NamedTensors trained_tensors(const torch::nn::Module& model);

}  // namespace medaug
