// SPDX-License-Identifier: MIT
// The SDXL autoencoder with random weights, for comparison with PyTorch on the same numbers.
//
//   vae_bench export FOLDER SIDE     writes the autoencoder in float32, and latent.safetensors of
//   an
//                                    image of that many pixels a side
//   vae_bench worker FOLDER OUT float32|bfloat16 [TILE]
//                                    reads both; then for each line on standard input:
//     check    the decoded image, written to OUT
//     decode   decodes once more
//     encode   encodes that image
//                                    and prints seconds, seconds of all cores together, minor page
//                                    faults, peak bytes of memory
//
// bench/pytorch/lineage.py drives it beside diffusers.

#include <ATen/ATen.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "base/error.h"
#include "bench_answer.h"
#include "checkpoint/autoencoder_file.h"

namespace medaug {
namespace {

constexpr const char* kLatent = "latent.safetensors";

void export_case(const std::filesystem::path& folder, std::int64_t side) {
  const Autoencoder model({}, 1);
  write_autoencoder(folder, model);
  at::manual_seed(1);
  const auto places = side / model.downscale();
  const auto latent = at::randn({1, model.options().latent_channels, places, places}) *
                      model.options().scaling_factor;
  write_safetensors(folder / kLatent, {{"latent", latent}});
}

int work(const std::filesystem::path& folder, const std::string& out, const std::string& dtype,
         const AutoencoderCall& call) {
  const auto type = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  const auto model = load_autoencoder(folder, {.dtype = type});
  const auto latent = read_safetensors(folder / kLatent).at("latent");
  bench::Watch().answer();
  at::Tensor image;
  for (std::string line; std::getline(std::cin, line);) {
    bench::Watch watch;
    if (line == "encode") {
      model->encode(image, {}, call);
    } else {
      image.reset();
      image = model->decode(latent, call);
    }
    watch.stop();
    if (line == "check") {
      write_safetensors(out, {{"image", image}});
    }
    watch.answer();
  }
  return 0;
}

int run(const std::vector<std::string>& a) {
  if (a.size() == 3 && a[0] == "export") {
    export_case(a[1], std::stoll(a[2]));
    return 0;
  }
  if ((a.size() == 4 || a.size() == 5) && a[0] == "worker") {
    return work(a[1], a[2], a[3], {.tile_pixels = a.size() == 5 ? std::stoll(a[4]) : 0});
  }
  std::fprintf(stderr, "usage: see the top of bench/vae_bench.cc\n");
  return 2;
}

}  // namespace
}  // namespace medaug

int main(int argc, char** argv) { return medaug::bench::run_main(argc, argv, medaug::run); }
