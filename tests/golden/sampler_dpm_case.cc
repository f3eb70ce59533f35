// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>

#include <algorithm>
#include <utility>

#include "analytic.h"
#include "base/error.h"
#include "cases.h"
#include "diffusers_sigmas.h"
#include "flow/multistep.h"
#include "flow/sampler.h"

namespace medaug::golden {
namespace {

const char* const kFile = "runs.safetensors";

// Steps below which diffusers lowers the order at the end.
constexpr std::int64_t kFewSteps = 15;

struct Run {
  std::string tag;
  std::string scheduler;
  std::int64_t steps = 0;
  Json config;
  SigmaGrid grid = {};
  std::vector<double> times = {};  ///< 1 - sigma
};

Run run_from(const Json& json) {
  Run run{.tag = json.at("tag"),
          .scheduler = json.at("scheduler"),
          .steps = json.at("num_inference_steps"),
          .config = json.at("config")};
  if (run.scheduler == "DPMSolverMultistepScheduler") {
    run.grid = dpm_sigmas(run.steps, run.config);
  } else if (run.scheduler == "UniPCMultistepScheduler") {
    run.grid = unipc_sigmas(run.steps, run.config);
  } else if (run.scheduler.starts_with("FlowMatch")) {
    run.grid = euler_sigmas(run.steps, run.config, json.value("mu", 0.0));
  } else {
    throw Error(ErrorCode::kData, "case.json", "unknown scheduler '" + run.scheduler + "'");
  }
  for (const double sigma : run.grid.sigmas) {
    run.times.push_back(1.0 - sigma);
  }
  return run;
}

VelocityField field_named(CaseFolder& folder, const std::string& name) {
  const auto matrix = folder.input(kFile, name == "data" ? "M" : "A").t();
  const auto b = folder.input(kFile, "b");
  const auto c = folder.input(kFile, "c");
  if (name == "linear") {
    return [=](const at::Tensor& x, double t) { return at::matmul(x, matrix) + b * t + c; };
  }
  if (name == "data") {
    return [=](const at::Tensor& x, double t) {
      return ((at::matmul(x, matrix) + c).tanh() - x) / std::max(1.0 - t, 0.001);
    };
  }
  throw Error(ErrorCode::kData, "case.json", "unknown field '" + name + "'");
}

// diffusers' rules for lowering the order at the end; the rest is DpmSolver's own.
int dpm_order(const Run& run, std::int64_t step) {
  const bool few = run.config.value("lower_order_final", true) && run.steps < kFewSteps;
  const bool to_zero = run.config.value("final_sigmas_type", std::string("zero")) == "zero";
  if (step + 1 == run.steps && (few || to_zero || run.config.value("euler_at_final", false))) {
    return 1;
  }
  return step + 2 == run.steps && few ? 2 : 3;
}

at::Tensor run_dpm(const Run& run, const VelocityField& field, at::Tensor z) {
  const auto form = run.config.value("solver_type", std::string("midpoint")) == "heun"
                        ? MultistepForm::kHeun
                        : MultistepForm::kMidpoint;
  DpmSolver solver(run.config.value("solver_order", 2), form);
  for (std::int64_t i = 0; i < run.steps; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double time = run.times[at];
    const auto image = z + field(z, time) * (1.0 - time);
    z = solver.step(z, image, time, run.times[at + 1], dpm_order(run, i));
  }
  return z;
}

at::Tensor run_unipc(const Run& run, const VelocityField& field, at::Tensor z) {
  const int order = run.config.value("solver_order", 2);
  UnipcSolver solver(order);
  for (std::int64_t i = 0; i < run.steps; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double time = run.times[at];
    const auto corrected = solver.correct(z, z + field(z, time) * (1.0 - time), time);
    const bool lower = run.config.value("lower_order_final", true);
    const auto left = static_cast<int>(run.steps - i);
    z = solver.predict(corrected, time, run.times[at + 1], lower ? std::min(order, left) : order);
  }
  return z;
}

// Where the product's own entry point does the same as the scheduler, it is what is tested.
bool is_plain_2m(const Run& run) {
  return run.config.value("solver_order", 2) == 2 &&
         run.config.value("solver_type", std::string("midpoint")) == "midpoint" &&
         run.config.value("final_sigmas_type", std::string("zero")) == "zero";
}

at::Tensor solve(const Run& run, const VelocityField& field, const at::Tensor& z) {
  if (run.scheduler == "UniPCMultistepScheduler") {
    return run_unipc(run, field, z);
  }
  if (run.scheduler == "DPMSolverMultistepScheduler" && !is_plain_2m(run)) {
    return run_dpm(run, field, z);
  }
  SamplerOptions options;
  options.solver = run.scheduler == "FlowMatchEulerDiscreteScheduler"  ? Solver::kEuler
                   : run.scheduler == "FlowMatchHeunDiscreteScheduler" ? Solver::kHeun
                                                                       : Solver::kDpm2m;
  return integrate(field, z, run.times, options);
}

// The Heun scheduler keeps the inner levels twice: once for the predictor, once for the corrector.
std::vector<double> with_inner_twice(const std::vector<double>& values, std::size_t once_at_end) {
  std::vector<double> out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool once = i == 0 || i + once_at_end >= values.size();
    out.insert(out.end(), once ? 1 : 2, values[i]);
  }
  return out;
}

void compare_grid(CaseFolder& folder, Run run) {
  if (run.scheduler == "FlowMatchHeunDiscreteScheduler") {
    run.grid.sigmas = with_inner_twice(run.grid.sigmas, 1);
    run.grid.timesteps = with_inner_twice(run.grid.timesteps, 0);
  }
  folder.compare(kFile, run.tag + ".sigmas", float64_tensor(run.grid.sigmas));
  folder.compare(kFile, run.tag + ".timesteps", float64_tensor(run.grid.timesteps));
}

void compare_states(CaseFolder& folder, const Run& run, const std::string& field_name) {
  FieldRecord record;
  const auto z = folder.input(kFile, "z");
  const auto field = field_named(folder, field_name);
  const auto end = solve(run, recorded(field, record), z);
  auto states = record.states;  // what each call saw, then the result
  states.push_back(end);
  folder.compare(kFile, field_name + "." + run.tag + ".states", at::stack(states));
  std::vector<double> sigmas;
  for (const double time : record.times) {
    sigmas.push_back(1.0 - time);
  }
  folder.compare(kFile, run.tag + ".model_sigmas", float64_tensor(sigmas));
}

}  // namespace

void run_sampler_dpm(CaseFolder& folder) {
  for (const auto& json : folder.json().at("runs")) {
    const auto run = run_from(json);
    compare_grid(folder, run);
    for (const auto& entry : folder.json().at("fields").items()) {
      if (folder.has(kFile, entry.key() + "." + run.tag + ".states")) {
        compare_states(folder, run, entry.key());
      }
    }
  }
}

}  // namespace medaug::golden
