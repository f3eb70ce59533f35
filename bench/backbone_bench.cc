// SPDX-License-Identifier: MIT
// A full-size Next-DiT with made-up weights in bfloat16, for comparison with PyTorch on the same
// numbers.
//
//   backbone_bench export FOLDER PRESET SIDE BATCH
//                                    writes FOLDER/lumina and FOLDER/diffusers, one tensor at a
//                                    time, and inputs for latents of SIDE x SIDE
//   backbone_bench worker FOLDER OUT float32|bfloat16
//                                    reads lumina and the inputs; then for each line on standard
//                                    input:
//     check      the velocity, written to OUT
//     forward    one evaluation more
//     gradients  forward and backward of the first of the batch, gradients of all weights
//                                    and prints seconds, seconds of all cores together, minor page
//                                    faults, peak bytes of memory; before the first, of loading
//
//   backbone_bench tiny FOLDER       writes FOLDER/lumina and FOLDER/gemma: an untrained backbone
//                                    of latents with four channels, and a text encoder
//
// bench/pytorch/lineage.py drives it beside diffusers; bench/lineage_masks.sh takes the tiny one.

#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench_answer.h"
#include "checkpoint/lineage/export.h"
#include "training/batch_gradients.h"
#include "training/test_parts.h"

namespace medaug {
namespace {

constexpr const char* kInputs = "input.safetensors";
constexpr std::int64_t kCaptionTokens = 256;

/// Weights near those of a trained network in size: norms about one, the rest small, none zero.
at::Tensor made_up(const std::string& name, const std::vector<std::int64_t>& shape) {
  const bool norm = name.find("norm") != std::string::npos && name.ends_with(".weight");
  auto values = at::randn(shape) * 0.02;
  return (norm ? values + 1.0 : values).to(at::kBFloat16);
}

void export_case(const std::filesystem::path& folder, const std::string& preset, std::int64_t side,
                 std::int64_t batch) {
  const auto options = nextdit_preset(preset);
  std::vector<PlannedTensor> plan;
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const auto& [name, tensor] :
       nn::named_parameters(NextDiT(options, std::nullopt, at::kMeta))) {
    plan.push_back({name, "BF16", tensor.sizes().vec()});
    shapes[name] = tensor.sizes().vec();
  }
  at::manual_seed(1);
  std::filesystem::create_directories(folder / "lumina");
  stream_safetensors(folder / "lumina/consolidated.00-of-01.safetensors", plan,
                     [&](const std::string& name) { return made_up(name, shapes.at(name)); });
  ExportOptions diffusers;
  diffusers.layout = BackboneLayout::kDiffusers;
  export_backbone(open_backbone(folder / "lumina"), folder / "diffusers", diffusers);
  const auto real = at::arange(kCaptionTokens).unsqueeze(0) <
                    at::linspace(77, kCaptionTokens, batch).unsqueeze(1);
  write_safetensors(folder / kInputs,
                    {{"x", at::randn({batch, options.in_channels, side, side})},
                     {"time", at::linspace(0.3, 0.6, batch)},
                     {"caption", at::randn({batch, kCaptionTokens, options.caption_dim})},
                     {"caption_mask", real}});
}

void export_tiny(const std::filesystem::path& folder) {
  auto options = test::small_backbone();
  options.dim = 192;
  options.layers = 6;
  options.heads = 6;
  options.kv_heads = 3;
  options.caption_dim = 32;
  const NextDiT model(options, 1);
  make_folders(folder / "lumina");
  write_safetensors(folder / "lumina/consolidated.00-of-01.safetensors",
                    nn::named_parameters(model));
  test::write_small_gemma(folder / "gemma");
}

class Worker {
 public:
  Worker(const std::filesystem::path& folder, at::ScalarType type)
      : model_(load_backbone(open_backbone(folder / "lumina"), type)) {
    const auto file = read_safetensors(folder / kInputs);
    in_.x = file.at("x");
    in_.time = file.at("time");
    in_.caption = file.at("caption").to(type);
    in_.caption_mask = file.at("caption_mask");
  }

  at::Tensor forward() const {
    const at::NoGradGuard no_grad;
    return model_->forward(in_);
  }

  void gradients() {
    for (auto& parameter : model_->parameters()) {
      parameter.requires_grad_(true);
    }
    NextDiTInput first = in_;
    for (auto* tensor : {&first.x, &first.time, &first.caption, &first.caption_mask}) {
      *tensor = tensor->narrow(0, 0, 1);
    }
    batch_gradients(model_->parameters(), {1, at::kCPU, 1.0}, [&](nn::Share) {
      return model_->forward(first).to(at::kFloat).square().mean();
    });
    for (auto& parameter : model_->parameters()) {
      parameter.mutable_grad().reset();
      parameter.requires_grad_(false);
    }
  }

 private:
  std::shared_ptr<NextDiT> model_;
  NextDiTInput in_;
};

int work(const std::filesystem::path& folder, const std::string& out, const std::string& dtype) {
  bench::Watch loading;
  Worker worker(folder, dtype == "bfloat16" ? at::kBFloat16 : at::kFloat);
  loading.answer();
  for (std::string line; std::getline(std::cin, line);) {
    bench::Watch watch;
    if (line == "gradients") {
      worker.gradients();
      watch.answer();
      continue;
    }
    const auto velocity = worker.forward();
    watch.stop();
    if (line == "check") {
      write_safetensors(out, {{"velocity", velocity.to(at::kFloat)}});
    }
    watch.answer();
  }
  return 0;
}

int run(const std::vector<std::string>& a) {
  if (a.size() == 5 && a[0] == "export") {
    export_case(a[1], a[2], std::stoll(a[3]), std::stoll(a[4]));
    return 0;
  }
  if (a.size() == 2 && a[0] == "tiny") {
    export_tiny(a[1]);
    return 0;
  }
  if (a.size() == 4 && a[0] == "worker") {
    return work(a[1], a[2], a[3]);
  }
  std::fprintf(stderr, "usage: see the top of bench/backbone_bench.cc\n");
  return 2;
}

}  // namespace
}  // namespace medaug

int main(int argc, char** argv) { return medaug::bench::run_main(argc, argv, medaug::run); }
