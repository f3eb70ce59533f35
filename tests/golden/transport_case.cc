// SPDX-License-Identifier: MIT
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>

#include <regex>

#include "analytic.h"
#include "base/error.h"
#include "cases.h"
#include "flow/path.h"
#include "flow/sampler.h"
#include "lumina_transport.h"

namespace medaug::golden {
namespace {

const FlowOptions kPlainVelocity{
    .prediction = Prediction::kVelocity, .data_mean = {}, .noise_scale = 1.0};

void compare_paths(CaseFolder& folder) {
  const std::string file = "paths.safetensors";
  const auto x0 = folder.input(file, "x0");
  const auto x1 = folder.input(file, "x1");
  const auto t = folder.input(file, "t");
  const auto velocity = folder.input(file, "velocity");
  for (const auto& [name, path] : lumina_paths()) {
    if (!folder.has(file, name + ".xt")) {
      continue;
    }
    const auto at_t = path(t);
    const auto z = path_state(at_t, x0, x1);
    folder.compare(file, name + ".alpha", at_t.alpha);
    folder.compare(file, name + ".sigma", at_t.sigma);
    folder.compare(file, name + ".d_alpha", at_t.d_alpha);
    folder.compare(file, name + ".d_sigma", at_t.d_sigma);
    folder.compare(file, name + ".ut", path_velocity(at_t, x0, x1));
    folder.compare(file, name + ".score_from_velocity", score_from_velocity(at_t, velocity, z));
    folder.compare(file, name + ".noise_from_velocity", noise_from_velocity(at_t, velocity, z));
    // The straight path is the product's own.
    folder.compare(file, name + ".xt",
                   name == "linear" ? interpolate(x1, x0, t, kPlainVelocity) : z);
  }
}

std::uint64_t seed_of(const Json& json) {
  const auto text = json.at("rng").get<std::string>();
  std::smatch found;
  if (!std::regex_search(text, found, std::regex(R"(manual_seed\((\d+)\))"))) {
    throw Error(ErrorCode::kData, "case.json", "no manual_seed(N) in 'rng'");
  }
  return std::stoull(found[1]);
}

// The images of one loss call: one tensor, or a list of different sizes.
struct LossCall {
  std::string prefix;
  std::vector<std::string> suffixes;  ///< of x0 and x1
};

std::vector<LossCall> loss_calls(CaseFolder& folder, const std::string& file) {
  std::vector<LossCall> calls;
  if (folder.has(file, "tensor.x1")) {
    calls.push_back({"tensor.", {""}});
  }
  LossCall list{"list.", {}};
  for (const auto& name : folder.tensors(file)) {
    if (name.starts_with("list.x1_")) {
      list.suffixes.push_back(std::string("_").append(std::to_string(list.suffixes.size())));
    }
  }
  if (!list.suffixes.empty()) {
    calls.push_back(list);
  }
  return calls;
}

// (N, C, H, W): a list entry becomes a batch of one.
at::Tensor batched(const at::Tensor& x) { return x.dim() == 3 ? x.unsqueeze(0) : x; }

void compare_loss_call(CaseFolder& folder, const LossCall& call, const std::string& snr) {
  const std::string file = "loss.safetensors";
  const auto w = folder.input(file, "W");
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed_of(folder.json()));
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> noises;
  std::int64_t count = 0;
  for (const auto& suffix : call.suffixes) {
    const auto image = folder.input(file, call.prefix + "x1" + suffix);
    const auto noise = at::randn(image.sizes(), generator, image.options());
    folder.compare(file, call.prefix + "x0" + suffix, noise);
    images.push_back(batched(image));
    noises.push_back(batched(noise));
    count += images.back().size(0);
  }
  const auto t = lumina_times(snr, count, generator);
  std::vector<at::Tensor> losses;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto part = t.narrow(0, first, images[i].size(0));
    const auto z = interpolate(images[i], noises[i], part, kPlainVelocity);
    const auto predicted = at::einsum("oc,nchw->nohw", {w, z}) * (part + 1.0).view({-1, 1, 1, 1});
    losses.push_back(velocity_loss(predicted, images[i], noises[i], z, part, kPlainVelocity));
    first += images[i].size(0);
  }
  folder.compare(file, call.prefix + snr + ".t", t);
  folder.compare(file, call.prefix + snr + ".loss", at::cat(losses));
}

SamplerOptions grid_options(const Json& entry) {
  const double shift = entry.value("shift", 1.0);
  return {.steps = entry.at("num_steps").get<std::int64_t>() - 1,
          .grid = TimeGrid::kLinear,
          .time_shift = shift > 0.0 ? shift : 1.0};
}

void compare_grids(CaseFolder& folder) {
  const std::string file = "grids.safetensors";
  for (const auto& entry : folder.json().at("grids")) {
    folder.compare(file, entry.at("tag"), float64_tensor(time_grid(grid_options(entry))));
  }
  for (const auto& entry : folder.json().value("img2img_grids", Json::array())) {
    const auto grid = cut_grid(time_grid(grid_options(entry)), entry.at("strength").get<double>());
    folder.compare(file, entry.at("tag"), float64_tensor(grid));
  }
}

Solver solver_named(const std::string& method) {
  const auto solver = method == "heun2" ? Solver::kHeun : enum_from_name<Solver>(method);
  if (!solver) {
    throw Error(ErrorCode::kData, "case.json", "unknown solver '" + method + "'");
  }
  return *solver;
}

// x A^T, added up from the last column element by element, which is the same on every machine. It
// matters to dopri8 in float64 alone: the reference rounds t to float32, its step follows the last
// digits of an error estimate, and so the order of a sum moves the stored state by 1e-9 to 5e-7
// (torchdiffeq's own run moves as far from one CPU to another).
at::Tensor times_transposed(const at::Tensor& x, const at::Tensor& a) {
  at::Tensor sum;
  for (std::int64_t j = a.size(1) - 1; j >= 0; --j) {
    const auto term = x.narrow(1, j, 1) * a.select(1, j);
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

VelocityField field_named(CaseFolder& folder, const std::string& name, at::ScalarType dtype) {
  const std::string file = "trajectories.safetensors";
  const auto a = folder.input(file, "A").to(dtype);
  const auto b = folder.input(file, "b").to(dtype);
  const auto c = folder.input(file, "c").to(dtype);
  if (name == "linear") {
    return [=](const at::Tensor& x, double t) { return times_transposed(x, a) + b * t + c; };
  }
  if (name == "curved") {
    return [=](const at::Tensor& x, double t) {
      return times_transposed(x, a).sin() * (1.0 + t) + b * t - c;
    };
  }
  throw Error(ErrorCode::kData, "case.json", "unknown field '" + name + "'");
}

struct Trajectory {
  at::Tensor states;
  at::Tensor model_times;
};

Trajectory integrate_run(CaseFolder& folder, const Json& run, at::ScalarType dtype) {
  auto options = grid_options(run);
  options.solver = solver_named(run.at("method"));
  options.euler_last = false;
  const auto& solver = folder.json().at("solver").at("adaptive");
  options.rtol = solver.at("rtol").get<double>();
  options.atol = solver.at("atol").get<double>();
  const auto field = field_named(folder, run.at("field"), dtype);
  FieldRecord record;
  const auto z = folder.input("trajectories.safetensors", "z").to(dtype);
  std::vector<at::Tensor> states{z};
  integrate(recorded(field, record), z, float32_grid(options), options,
            [&](std::int64_t, std::int64_t, const at::Tensor& state) {
              states.push_back(state);
              return true;
            });
  return {at::stack(states), float64_tensor(record.times)};
}

void compare_run(CaseFolder& folder, const Json& run) {
  const std::string file = "trajectories.safetensors";
  const auto tag = run.at("tag").get<std::string>();
  const auto plain = integrate_run(folder, run, at::kFloat);
  folder.compare(file, tag, plain.states);
  folder.compare_if_stored(file, tag + ".model_times", plain.model_times);
  if (folder.has(file, tag + ".float64")) {
    folder.compare(file, tag + ".float64", integrate_run(folder, run, at::kDouble).states);
  }
  if (folder.has(file, "bf16." + tag)) {
    const auto rounded = integrate_run(folder, run, at::kBFloat16);
    folder.compare(file, "bf16." + tag, rounded.states);
    folder.compare_if_stored(file, "bf16." + tag + ".model_times", rounded.model_times);
  }
}

}  // namespace

void run_transport(CaseFolder& folder) {
  compare_paths(folder);
  for (const auto& call : loss_calls(folder, "loss.safetensors")) {
    for (const auto& snr : folder.json().at("snr_types")) {
      compare_loss_call(folder, call, snr);
    }
  }
  compare_grids(folder);
  for (const auto& run : folder.json().at("runs")) {
    compare_run(folder, run);
  }
}

}  // namespace medaug::golden
