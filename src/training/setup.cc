// SPDX-License-Identifier: MIT
#include "training/setup.h"

#include <ATen/Context.h>

#include "base/error.h"
#include "base/log.h"

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

MuonOptions muon_options(const TrainingOptions& o) {
  return {o.optimizer == OptimizerKind::kMuon ? o.muon_learning_rate / o.learning_rate : 0.0,
          o.muon_momentum};
}

}  // namespace medaug
