// SPDX-License-Identifier: MIT
// One training step and one sampling call, for comparison with PyTorch on the same numbers.
//
//   step_bench export CASE[@SIDE] BATCH FILE  writes weights, batch, times and noise
//   step_bench worker FILE OUT [cuda]         reads it back; then for each line on standard input:
//     check    loss and gradients of the first step and one image batch, written to OUT
//     train        one step: forward, backward, AdamW and two averages
//     forward      the loss of the same batch, no more
//     sample       one batch of images with the default solver, no guidance
//     sample_one   one image of it
//                                     and prints seconds, those of AdamW and the averages, minor
//                                     page faults, peak bytes of memory so far
//   step_bench roofline                 prints what the machine can do, as JSON
//
// bench/pytorch/compare.py drives it beside the same network in PyTorch.

#include <ATen/ATen.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "models/generator.h"
#include "nn/team.h"
#include "roofline.h"
#include "training/flow_step.h"
#include "training/optimizer.h"
#include "training/sampling.h"

namespace medaug {
namespace {

constexpr std::int64_t kTokens = 32;
constexpr std::int64_t kVocabulary = 400;

// `plain` and `wide` are the usual diffusion transformer at 64 tokens: linear ends, modulation in
// every block.
GeneratorOptions case_options(const std::string& name) {
  GeneratorOptions o;
  o.vocabulary = kVocabulary;
  if (name == "plain") {
    o.dit.patch_size = 8;
    o.dit.dim = 256;
    o.dit.layers = 8;
    o.dit.heads = 4;
  } else if (name == "wide") {
    o.dit.patch_size = 8;
    o.dit.dim = 384;
    o.dit.layers = 12;
    o.dit.heads = 6;
  } else {
    o.dit = nextdit_preset(name);
  }
  o.dit.caption_dim = o.text.dim;
  return o;
}

std::string joined(const std::vector<std::int64_t>& values) {
  std::string text;
  for (const auto value : values) {
    text += (text.empty() ? "" : ",") + std::to_string(value);
  }
  return text;
}

Metadata case_metadata(const std::string& name, const GeneratorOptions& o, std::int64_t side) {
  const FlowOptions flow;
  const SamplerOptions sampler;
  const auto number = [](double x) { return std::to_string(x); };
  return {{"case", name},
          {"patch_size", std::to_string(o.dit.patch_size)},
          {"dim", std::to_string(o.dit.dim)},
          {"layers", std::to_string(o.dit.layers)},
          {"heads", std::to_string(o.dit.heads)},
          {"ffn_hidden", std::to_string(ffn_hidden(o.dit))},
          {"conv_channels", joined(o.dit.conv_channels)},
          {"shared_modulation", o.dit.modulation == Modulation::kShared ? "1" : "0"},
          {"text_layers", std::to_string(o.text.layers)},
          {"text_heads", std::to_string(o.text.heads)},
          {"data_std", number(flow.data_std)},
          {"noise_scale", number(flow.noise_scale)},
          {"clip", number(flow.clip)},
          {"steps", std::to_string(sampler.steps)},
          {"logit_low", number(sampler.logit_low)},
          {"logit_high", number(sampler.logit_high)},
          {"train_flops", number(3.0 * forward_flops(o.dit, side, side, kTokens))}};
}

void export_case(const std::string& wanted, std::int64_t n, const std::string& path) {
  const auto at_sign = wanted.find('@');
  const auto name = wanted.substr(0, at_sign);
  const std::int64_t side =
      at_sign == std::string::npos ? 64 : std::stoll(wanted.substr(at_sign + 1));
  at::manual_seed(1);
  const auto o = case_options(name);
  const Generator model(o);
  NamedTensors tensors;
  for (const auto& item : model.named_parameters()) {
    // Gates and last layers begin at zero, where most gradients would be zero as well.
    const auto noise = at::randn(item.value().sizes()) * 0.02;
    tensors.emplace_back("weight." + item.key(), item.value().detach() + noise);
  }
  FlowBatch batch;
  batch.images = at::randn({n, o.dit.in_channels, side, side}).clamp(-1, 1);
  for (std::int64_t i = 0; i < n; ++i) {
    batch.draws.push_back(i);
  }
  const auto draws = draw_noise_and_time(batch, {}, 1);
  tensors.emplace_back("images", batch.images);
  tensors.emplace_back("tokens", at::randint(3, kVocabulary, {n, kTokens}, at::kLong));
  tensors.emplace_back("token_mask", at::arange(kTokens).unsqueeze(0) <
                                         at::randint(8, kTokens + 1, {n, 1}, at::kLong));
  tensors.emplace_back("mask", at::rand({n, o.dit.mask_classes, side / 8, side / 8})
                                   .round()
                                   .repeat_interleave(8, 2)
                                   .repeat_interleave(8, 3));
  tensors.emplace_back("noise", draws.noise);
  tensors.emplace_back("time", draws.time);
  std::vector<std::int64_t> seeds(batch.draws);
  tensors.emplace_back("sampling_noise",
                       draw_noise(batch.images.sizes(), seeds, 0, Purpose::kSampling));
  write_safetensors(path, tensors, case_metadata(name, o, side));
}

class Worker {
 public:
  Worker(const SafetensorsFile& file, at::Device device)
      : model_(case_options(file.metadata.at("case"))),
        optimizer_(loaded(file, device), {}, at::kBFloat16, 2) {
    const auto there = [&](const char* name) { return file.at(name).to(device); };
    batch_.images = there("images");
    batch_.conditions.tokens = there("tokens");
    batch_.conditions.token_mask = there("token_mask");
    batch_.conditions.mask = there("mask");
    batch_.conditions.mask_present = at::ones({batch_.images.size(0)}, batch_.images.options());
    for (std::int64_t i = 0; i < batch_.images.size(0); ++i) {
      batch_.draws.push_back(i);
    }
    draws_ = {there("noise"), there("time")};
  }

  void check(const std::string& out) {
    NamedTensors tensors{{"images", sample().cpu()}};
    {
      const at::NoGradGuard no_grad;
      tensors.emplace_back("loss", flow_loss(model_, batch_, draws_).cpu());
    }
    flow_gradients(model_, batch_, draws_);
    for (const auto& item : model_.named_parameters()) {
      if (item.value().grad().defined()) {
        tensors.emplace_back("grad." + item.key(),
                             item.value().grad().to(at::kCPU, at::kFloat).clone());
      }
    }
    optimizer_.clear_gradients();
    write_safetensors(out, tensors);
  }

  /// @return the seconds of the optimiser
  double train() {
    flow_gradients(model_, batch_, draws_);
    wait_for(model_.parameters().front());
    const double begin = monotonic_seconds();
    optimizer_.step(1e-4, clip_scale(optimizer_.gradient_norm(), 1.0), {0.99, 0.999});
    optimizer_.clear_gradients();
    wait_for(model_.parameters().front());
    return monotonic_seconds() - begin;
  }

  void forward() const {
    const auto images = batch_.images.size(0);
    const int team = nn::team_size(images, batch_.images.device());
    nn::run_team(team, images, [&](int, nn::Share share) {
      const at::NoGradGuard no_grad;
      wait_for(flow_loss(model_, batch_.narrow(share.begin, share.count),
                         draws_.narrow(share.begin, share.count)));
    });
  }

  at::Tensor sample() const { return sample(batch_.images.size(0)); }

  at::Tensor sample(std::int64_t count) const {
    SamplingRequest request;
    request.conditions = batch_.conditions.narrow(0, count);
    request.seeds = std::span(batch_.draws).first(static_cast<std::size_t>(count));
    request.height = batch_.images.size(2);
    request.width = batch_.images.size(3);
    const auto images = sample_images(model_, request, {});
    wait_for(images);
    return images;
  }

 private:
  /// A GPU works on behind the call.
  static void wait_for(const at::Tensor& x) {
    if (!x.device().is_cpu()) {
      x.flatten()[0].item<float>();
    }
  }

  NamedTensors loaded(const SafetensorsFile& file, at::Device device) {
    model_.to(device);
    NamedTensors parameters;
    for (const auto& item : model_.named_parameters()) {
      item.value().detach().copy_(file.at("weight." + item.key()));
      parameters.emplace_back(item.key(), item.value());
    }
    return parameters;
  }

  Generator model_;
  AdamW optimizer_;
  FlowBatch batch_;
  FlowDraws draws_;
};

void serve(const std::string& file, const std::string& out, at::Device device) {
  Worker worker(read_safetensors(file), device);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto faults = minor_faults();
    const double begin = monotonic_seconds();
    double optimiser = 0.0;
    if (line == "check") {
      worker.check(out);
    } else if (line == "train") {
      optimiser = worker.train();
    } else if (line == "forward") {
      worker.forward();
    } else if (line == "sample") {
      worker.sample();
    } else if (line == "sample_one") {
      worker.sample(1);
    } else {
      throw Error(ErrorCode::kUsage, "step_bench", "unknown command '" + line + "'");
    }
    const double seconds = monotonic_seconds() - begin;
    std::cout << seconds << ' ' << optimiser << ' ' << minor_faults() - faults << ' '
              << peak_memory_bytes() << std::endl;
  }
}

void print_roofline() {
  const auto r = measure_roofline();
  std::cout << "{\"threads\": " << r.threads << ", \"bf16_tflops\": " << r.bf16_flops / 1e12
            << ", \"float_tflops\": " << r.float_flops / 1e12
            << ", \"gigabytes_per_second\": " << r.bytes_per_second / 1e9
            << ", \"fresh_page_us\": " << r.fresh_page_seconds * 1e6
            << ", \"used_page_us\": " << r.used_page_seconds * 1e6 << "}" << std::endl;
}

int run(const std::vector<std::string>& args) {
  if (args.size() == 4 && args[0] == "export") {
    export_case(args[1], std::stoll(args[2]), args[3]);
  } else if (args.size() == 3 && args[0] == "worker") {
    serve(args[1], args[2], at::kCPU);
  } else if (args.size() == 4 && args[0] == "worker" && args[3] == "cuda") {
    serve(args[1], args[2], at::kCUDA);
  } else if (args.size() == 1 && args[0] == "roofline") {
    print_roofline();
  } else {
    std::fputs(
        "usage: step_bench export CASE[@SIDE] BATCH FILE | step_bench worker FILE OUT [cuda] | "
        "step_bench roofline\n",
        stderr);
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace medaug

int main(int argc, char** argv) {
  try {
    return medaug::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "step_bench: %s\n", error.what());
    return 1;
  }
}
