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
// bench/pytorch/vae_decode.py drives it beside diffusers.

#include <ATen/ATen.h>
#include <sys/resource.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "base/clock.h"
#include "base/error.h"
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

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

void answer(double seconds, double cpu) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%.6f %.6f %ld %.0f\n", seconds, cpu, usage.ru_minflt,
              static_cast<double>(usage.ru_maxrss) * 1024.0);
  std::fflush(stdout);
}

int work(const std::filesystem::path& folder, const std::string& out, const std::string& dtype,
         const AutoencoderCall& call) {
  const auto type = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  const auto model = load_autoencoder(folder, {.dtype = type});
  const auto latent = read_safetensors(folder / kLatent).at("latent");
  answer(0.0, 0.0);
  at::Tensor image;
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = monotonic_seconds(), cpu_begin = cpu_seconds();
    if (line == "encode") {
      model->encode(image, {}, call);
    } else {
      image.reset();
      image = model->decode(latent, call);
    }
    const auto seconds = monotonic_seconds() - begin, cpu = cpu_seconds() - cpu_begin;
    if (line == "check") {
      write_safetensors(out, {{"image", image}});
    }
    answer(seconds, cpu);
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

int main(int argc, char** argv) {
  try {
    return medaug::run({argv + 1, argv + argc});
  } catch (const c10::Error& e) {
    std::fprintf(stderr, "%s\n", e.what_without_backtrace());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  return 1;
}
