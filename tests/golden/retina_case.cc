// SPDX-License-Identifier: MIT
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <regex>
#include <vector>

#include "base/error.h"
#include "cases.h"
#include "flow/sampler.h"
#include "nextdit_golden.h"

namespace medaug::golden {
namespace {

constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kFile = "io.safetensors";

/// What RetinaLogos' sampling script is called with; the case tells it in words only.
struct Settings {
  SamplerOptions sampler;
  double guidance = 1.0;
  NextDiTCall call;
};

Settings settings_of(CaseFolder& folder) {
  const auto what = folder.json().at("files").at(kFile).at("what").get<std::string>();
  const std::regex pattern(
      R"((\w+), (\d+) grid points, shift ([\d.]+), guidance ([\d.]+), .*base .*= (\d+))");
  std::smatch found;
  const auto solver = std::regex_search(what, found, pattern)
                          ? enum_from_name<Solver>(found[1].str())
                          : std::nullopt;
  if (!solver) {
    throw Error(ErrorCode::kData, "case.json", "does not tell the sampling settings: " + what);
  }
  Settings settings;
  settings.sampler.solver = *solver;
  settings.sampler.steps = std::stoll(found[2]) - 1;
  settings.sampler.grid = TimeGrid::kLinear;
  settings.sampler.time_shift = std::stod(found[3]);
  settings.sampler.euler_last = false;
  settings.guidance = std::stod(found[4]);
  settings.call.proportional_base = std::stoll(found[5]);
  return settings;
}

void compare_sampling(CaseFolder& folder, const NextDiT& network) {
  const auto settings = settings_of(folder);
  const auto field = [&](const Tensor& z, double time) {
    auto in = captions_of(folder, kFile, "sample.");
    in.x = z;
    in.time = at::full({z.size(0)}, time);
    return guided(network, in, settings.guidance, settings.call);
  };
  const auto z = folder.input(kFile, "sample.z");
  std::vector<Tensor> states{z.chunk(2)[0]};
  integrate(field, z, time_grid(settings.sampler), settings.sampler,
            [&](std::int64_t, std::int64_t, const Tensor& state) {
              states.push_back(state.chunk(2)[0]);
              return true;
            });
  folder.compare(kFile, "sample.states", at::stack(states));
}

}  // namespace

void run_nextdit_retina(CaseFolder& folder) {
  const at::NoGradGuard no_grad;
  const auto options = lumina_options(folder.json().at("config").at("arguments"));
  const auto network = lumina_network(folder, options, kWeights);
  auto in = captions_of(folder, kFile, "fwd.");
  in.x = folder.input(kFile, "fwd.x");
  in.time = folder.input(kFile, "fwd.t");
  folder.compare(kFile, "fwd.out", network->forward(in));
  compare_sampling(folder, *network);
}

}  // namespace medaug::golden
