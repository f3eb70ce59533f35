// SPDX-License-Identifier: MIT
// Memory of training on a GPU beside what `medaug check config --memory-table` says.
//
//   gpu_memory PRESET SIDE BATCH [lora=RANK] [averages=N] [captions=L] [steps=N] [bf16-state]
//              [checkpoint] [accumulate] [float32] [cpu]
//
// Trains a network of random weights on random images or latents of SIDE x SIDE for three steps and
// prints, as JSON: bytes that are held before the first step and at the peak as the allocator
// counts them, the estimate of both, the loss and the seconds of each step. SIDE is that of what
// the network is given: 64 and 128 for latents of 512 and 1024 pixels. On a CPU the allocator
// counts nothing.
//
//   for batch in 1 4; do gpu_memory 2b-gqa 64 $batch lora=16 checkpoint; done

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fields.h"
#include "models/nextdit.h"
#include "training/batch_gradients.h"
#include "training/memory_estimate.h"
#include "training/optimizer.h"
#include "training/setup.h"

namespace medaug {
namespace {

struct Arguments {
  MemorySetting setting;
  std::int64_t batch = 1;
  std::int64_t steps = 3;
  at::Device device = at::kCUDA;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments out;
  auto& s = out.setting;
  s.model = nextdit_preset(words.at(0));
  s.height = s.width = std::stoll(words.at(1));
  s.caption_tokens = 256;
  out.batch = std::stoll(words.at(2));
  for (std::size_t i = 3; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    const auto name = words[i].substr(0, equals);
    const auto value = equals == std::string::npos ? 0 : std::stoll(words[i].substr(equals + 1));
    if (name == "lora") {
      s.lora.rank = value;
    } else if (name == "averages") {
      s.averages = value;
    } else if (name == "captions") {
      s.caption_tokens = value;
    } else if (name == "steps") {
      out.steps = value;
    } else if (name == "bf16-state") {
      s.low_state = true;
    } else if (name == "checkpoint") {
      s.checkpointed = true;
    } else if (name == "accumulate") {
      s.accumulates = true;
    } else if (name == "float32") {
      s.half = false;
    } else if (name == "cpu") {
      out.device = at::kCPU;
    } else {
      throw Error(ErrorCode::kUsage, "gpu_memory", "unknown word '" + words[i] + "'");
    }
  }
  s.gpu = out.device.is_cuda();
  return out;
}

/// What the allocator of a GPU has given out; zeros on a CPU.
struct Bytes {
  double now = 0.0, peak = 0.0, reserved = 0.0;
};

Bytes allocated(at::Device device) {
  if (!device.is_cuda()) {
    return {};
  }
  const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(0);
  return {static_cast<double>(stats.allocated_bytes[0].current),
          static_cast<double>(stats.allocated_bytes[0].peak),
          static_cast<double>(stats.reserved_bytes[0].peak)};
}

void forget_peak(at::Device device) {
  if (device.is_cuda()) {
    at::getDeviceAllocator(device.type())->emptyCache();
    at::getDeviceAllocator(device.type())->resetPeakStats(0);
  }
}

class Trainer {
 public:
  explicit Trainer(const Arguments& arguments)
      : arguments_(arguments),
        model_(arguments.setting.model, std::nullopt, arguments.device),
        optimizer_(prepared(), adamw(), compute(), static_cast<int>(arguments.setting.averages)) {
    const auto& s = arguments.setting;
    const auto on = at::TensorOptions().device(arguments.device).dtype(at::kFloat);
    target_ = at::randn({arguments.batch, s.model.in_channels, s.height, s.width}, on);
    in_.x = at::randn_like(target_);
    in_.time = at::rand({arguments.batch}, on);
    in_.caption = at::randn({arguments.batch, s.caption_tokens, s.model.caption_dim}, on);
    in_.caption_mask = at::ones({arguments.batch, s.caption_tokens}, on.dtype(at::kBool));
    if (s.model.mask_classes > 0) {
      in_.mask = at::zeros({arguments.batch, s.model.mask_classes, s.height, s.width}, on);
    }
  }

  double step() {
    NextDiTCall call;
    call.checkpoint_activations = arguments_.setting.checkpointed;
    const double loss = batch_gradients(
        nn::trained_parameters(model_), {1, arguments_.device, 1.0},
        [&](nn::Share) { return at::mse_loss(model_.forward(in_, call).to(at::kFloat), target_); });
    if (arguments_.setting.accumulates) {
      optimizer_.accumulate_gradients();
    }
    const auto averages = static_cast<std::size_t>(arguments_.setting.averages);
    optimizer_.step(1e-5, clip_scale(optimizer_.gradient_norm(), 1.0),
                    std::vector<double>(averages, 0.99));
    optimizer_.clear_gradients();
    return loss;
  }

 private:
  at::ScalarType compute() const { return arguments_.setting.half ? at::kBFloat16 : at::kFloat; }

  AdamWOptions adamw() const {
    return {.state = arguments_.setting.low_state ? at::kBFloat16 : at::kFloat};
  }

  /// The network is made without values.
  NamedTensors prepared() {
    const at::NoGradGuard no_grad;
    at::manual_seed(1);
    for (auto& parameter : model_.parameters()) {
      parameter.normal_(0.0, 0.02);
    }
    if (arguments_.setting.lora.rank > 0) {
      prepare_adapters(model_, arguments_.setting.lora, 1, compute());
    }
    return trained_tensors(model_);
  }

  Arguments arguments_;
  NextDiT model_;
  AdamW optimizer_;
  NextDiTInput in_;
  at::Tensor target_;
};

Json measure(const Arguments& arguments) {
  const auto estimate = estimate_memory(arguments.setting);
  Trainer trainer(arguments);
  forget_peak(arguments.device);
  const auto before = allocated(arguments.device);
  Json losses = Json::array(), seconds = Json::array();
  for (std::int64_t i = 0; i < arguments.steps; ++i) {
    const double begin = monotonic_seconds();
    losses.push_back(trainer.step());  // the optimiser waits for the norm of the gradient
    seconds.push_back(monotonic_seconds() - begin);
  }
  const auto after = allocated(arguments.device);
  return {{"parameters", estimate.parameters},
          {"trained", estimate.trained},
          {"held_bytes", before.now},
          {"held_estimate", estimate.weights + estimate.state},
          {"peak_bytes", after.peak},
          {"peak_estimate", estimate.bytes(arguments.batch)},
          {"reserved_bytes", after.reserved},
          {"loss", losses},
          {"seconds", seconds}};
}

}  // namespace
}  // namespace medaug

int main(int argc, char** argv) {
  try {
    if (argc < 4) {
      std::fputs("usage: gpu_memory PRESET SIDE BATCH [lora=RANK] [checkpoint] ...\n", stderr);
      return 2;
    }
    const std::vector<std::string> words(argv + 1, argv + argc);
    std::cout << medaug::measure(medaug::parse(words)).dump() << std::endl;
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_memory: %s\n", error.what());
    return 1;
  }
}
