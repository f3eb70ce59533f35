// SPDX-License-Identifier: MIT
#include "training/setup.h"

#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "nn/layers.h"

namespace medaug {

bool runs_on_cuda(DeviceChoice choice) { return at::hasCUDA() && choice != DeviceChoice::kCpu; }

at::Device pick_device(DeviceChoice choice, const std::string& where) {
  const bool cuda = runs_on_cuda(choice);
  if (choice == DeviceChoice::kCuda && !cuda) {
    throw Error(ErrorCode::kResource, where, "no CUDA device is at hand", "use cpu or auto");
  }
  return cuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

at::ScalarType compute_dtype(const TrainingOptions& o) {
  if (!o.use_amp || o.amp_dtype == AmpDtype::kFloat32) {
    return at::kFloat;
  }
  if (o.amp_dtype == AmpDtype::kFloat16) {
    log_warning(
        "amp_dtype float16 would need a loss scaler; bfloat16 is used, which has the range of "
        "float32");
  }
  return at::kBFloat16;
}

AdamWOptions adamw_options(const TrainingOptions& o) {
  return {.beta1 = o.beta1,
          .beta2 = o.beta2,
          .eps = o.eps,
          .weight_decay = o.weight_decay,
          .state = o.state_dtype == StateDtype::kBFloat16 ? at::kBFloat16 : at::kFloat,
          .seed = static_cast<std::uint64_t>(o.seed)};
}

MuonOptions muon_options(const TrainingOptions& o) {
  return {o.optimizer == OptimizerKind::kMuon ? o.muon_learning_rate / o.learning_rate : 0.0,
          o.muon_momentum};
}

void prepare_adapters(torch::nn::Module& model, const LoraOptions& options, std::uint64_t seed,
                      at::ScalarType compute) {
  add_lora(model, options, seed);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> frozen;
  for (auto& parameter : model.parameters()) {
    if (!parameter.requires_grad()) {
      parameter.set_data(parameter.to(compute));
      frozen.push_back(parameter);
    }
  }
  nn::gather_parameters(frozen);
}

NamedTensors trained_tensors(const torch::nn::Module& model) {
  NamedTensors out;
  for (const auto& [name, parameter] : nn::named_parameters(model)) {
    if (parameter.requires_grad()) {
      out.emplace_back(name, parameter);
    }
  }
  return out;
}

}  // namespace medaug
