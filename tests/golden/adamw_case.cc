// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <optional>
#include <regex>
#include <utility>

#include "base/error.h"
#include "cases.h"
#include "training/optimizer.h"

namespace medaug::golden {
namespace {

const char* const kTrajectories = "trajectories.safetensors";
const char* const kClipping = "clipping.safetensors";
const char* const kRates = "learning_rates.json";

// Settings of one run of case.json.
struct Run {
  std::string name;
  double lr = 0.0;
  double clip = 0.0;  ///< 0 = none
  AdamWOptions options;
  std::vector<double> learning_rates = {};
};

// What a run left behind, by parameter.
struct History {
  std::map<std::string, std::vector<at::Tensor>>
      network;  ///< what the network runs on, after each step
  std::vector<std::map<std::string, std::vector<at::Tensor>>> averages;
  std::map<std::string, at::Tensor> state;
  std::vector<double> norms;
};

std::vector<std::string> names_with(CaseFolder& folder, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& tensor : folder.tensors(kTrajectories)) {
    if (tensor.starts_with(prefix)) {
      names.push_back(tensor.substr(prefix.size()));
    }
  }
  return names;
}

// Linear warm-up, then the schedule, counted in steps as transformers' schedules do.
double step_schedule_factor(Schedule schedule, std::int64_t step, std::int64_t warmup_steps,
                            std::int64_t total_steps, double floor) {
  if (step < warmup_steps) {
    return static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, warmup_steps));
  }
  const auto rest = std::max<std::int64_t>(1, total_steps - warmup_steps);
  return schedule_factor(
      schedule, static_cast<double>(step - warmup_steps) / static_cast<double>(rest), floor);
}

// "cosine, 4 warm-up steps, 20 in all", or "constant".
std::vector<double> learning_rates(const std::string& schedule, double lr, std::int64_t steps) {
  std::smatch found;
  const bool cosine =
      std::regex_match(schedule, found, std::regex(R"(cosine, (\d+) warm-up steps, (\d+) in all)"));
  if (!cosine && schedule != "constant") {
    throw Error(ErrorCode::kData, "case.json", "unknown schedule '" + schedule + "'");
  }
  std::vector<double> rates;
  for (std::int64_t step = 0; step < steps; ++step) {
    rates.push_back(lr * (cosine
                              ? step_schedule_factor(Schedule::kCosine, step, std::stoll(found[1]),
                                                     std::stoll(found[2]), 0.0)
                              : 1.0));
  }
  return rates;
}

Run run_from(const std::string& name, const Json& json, std::int64_t steps) {
  Run run{.name = name,
          .lr = json.at("lr"),
          .clip = json.at("clip").is_null() ? 0.0 : json.at("clip").get<double>(),
          .options = {.beta1 = json.at("betas").at(0),
                      .beta2 = json.at("betas").at(1),
                      .eps = json.at("eps"),
                      .weight_decay = json.at("weight_decay")}};
  run.learning_rates = learning_rates(json.at("schedule"), run.lr, steps);
  return run;
}

// Steps at the start in which a parameter has no gradient, from "steps counted for `name`".
std::int64_t steps_without_gradient(CaseFolder& folder, const Run& run,
                                    const std::string& parameter, std::int64_t steps) {
  const auto checks = folder.json().value("checks", Json::object());
  const auto of_run = checks.value(run.name, Json::object());
  return steps - of_run.value("steps counted for `" + parameter + "`", steps);
}

// Decays of the averages that the file keeps: "ema99" is 0.99.
std::vector<std::pair<std::string, double>> average_decays(CaseFolder& folder, const Run& run) {
  std::map<std::string, double> found;
  const std::regex pattern(R"(.*\.(ema(\d+)(_final)?))");
  for (const auto& tensor : names_with(folder, run.name + ".")) {
    std::smatch match;
    if (std::regex_match(tensor, match, pattern)) {
      found[match[1]] = std::stod("0." + match[2].str());
    }
  }
  return {found.begin(), found.end()};
}

History train(CaseFolder& folder, const Run& run, at::ScalarType compute,
              const std::vector<double>& decays) {
  NamedTensors parameters;
  const auto wide = compute == at::kDouble ? at::kDouble : at::kFloat;
  for (const auto& name : names_with(folder, "init.")) {
    parameters.emplace_back(name, folder.input(kTrajectories, "init." + name).to(wide).clone());
  }
  AdamW optimizer(parameters, run.options, compute, static_cast<int>(decays.size()));
  History history;
  history.averages.resize(decays.size());
  const auto steps = static_cast<std::int64_t>(run.learning_rates.size());
  for (std::int64_t step = 0; step < steps; ++step) {
    for (auto& [name, parameter] : parameters) {
      if (step >= steps_without_gradient(folder, run, name, steps)) {
        const auto gradient = folder.input(kTrajectories, "grad." + name)[step];
        parameter.mutable_grad() = gradient.to(wide);
      }
    }
    const double norm = optimizer.gradient_norm();
    history.norms.push_back(norm);
    optimizer.step(run.learning_rates[static_cast<std::size_t>(step)],
                   run.clip > 0.0 ? clip_scale(norm, run.clip) : 1.0, decays);
    optimizer.clear_gradients();
    for (const auto& [name, parameter] : parameters) {
      history.network[name].push_back(parameter.detach().clone());
    }
    for (std::size_t k = 0; k < decays.size(); ++k) {
      for (const auto& [name, average] : optimizer.weights(static_cast<int>(k))) {
        history.averages[k][name].push_back(average.clone());
      }
    }
  }
  for (const auto& [name, tensor] : optimizer.state()) {
    history.state[name] = tensor;
  }
  return history;
}

void compare_run(CaseFolder& folder, const Run& run) {
  const auto averages = average_decays(folder, run);
  std::vector<double> decays;
  for (const auto& average : averages) {
    decays.push_back(average.second);
  }
  const auto plain = train(folder, run, at::kFloat, decays);
  const auto twin = train(folder, run, at::kDouble, {});
  const auto low = train(folder, run, at::kBFloat16, {});
  for (const auto& [name, states] : plain.network) {
    const auto prefix = run.name + "." + name;
    folder.compare(kTrajectories, prefix, at::stack(states));
    folder.compare_if_stored(kTrajectories, prefix + ".float64", at::stack(twin.network.at(name)));
    folder.compare_if_stored(kTrajectories, prefix + ".bf16_copy", at::stack(low.network.at(name)));
    folder.compare_if_stored(kTrajectories, prefix + ".exp_avg",
                             plain.state.at("momentum." + name));
    folder.compare_if_stored(kTrajectories, prefix + ".exp_avg_sq",
                             plain.state.at("variance." + name));
    for (std::size_t k = 0; k < averages.size(); ++k) {
      const auto& average = plain.averages[k].at(name);
      const auto& kind = averages[k].first;
      folder.compare_if_stored(kTrajectories, prefix + "." + kind,
                               kind.ends_with("_final") ? average.back() : at::stack(average));
    }
  }
  const auto& table = folder.json().at("tables").at(run.name);
  folder.compare_numbers(kRates, run.name + ".lr_used", run.learning_rates, table.at("lr_used"));
  if (run.clip > 0.0) {
    folder.compare_numbers(kClipping, run.name + ".grad_norm_before_clip", plain.norms,
                           table.at("grad_norm_before_clip"));
    folder.compare_numbers(kClipping, run.name + ".grad_norm_before_clip_float64", twin.norms,
                           table.at("grad_norm_before_clip_float64"));
  }
}

void compare_clipping(CaseFolder& folder) {
  NamedTensors parameters;
  std::set<std::string> rules;
  for (const auto& name : folder.tensors(kClipping)) {
    const auto dot = name.rfind('.');
    if (dot != std::string::npos) {
      rules.insert(name.substr(0, dot));
    } else if (name != "norm") {
      auto parameter = folder.input(kClipping, name).clone();
      parameter.mutable_grad() = folder.input(kClipping, name);
      parameters.emplace_back(name, parameter);
    }
  }
  const double norm = AdamW(parameters, {}, at::kFloat).gradient_norm();
  folder.compare(kClipping, "norm", at::full({1}, norm, at::kDouble));
  for (const auto& rule : rules) {
    const double largest = std::stod(rule.substr(rule.find('_') + 1));
    // Lumina's rule has no epsilon; medaug clips as torch does.
    const double scale =
        rule.starts_with("lumina_") ? std::min(1.0, largest / norm) : clip_scale(norm, largest);
    for (const auto& [name, parameter] : parameters) {
      folder.compare(kClipping, rule + "." + name, folder.input(kClipping, name) * scale);
    }
  }
}

// The schedule of a table by its name; `last` is the step after which the reference's cosine rises
// again.
struct TableSchedule {
  Schedule schedule;
  std::int64_t warmup = 0;
  std::int64_t total = 0;
  double floor = 0.0;
  std::int64_t last = 0;
};

std::optional<TableSchedule> schedule_named(const std::string& table, double base,
                                            std::int64_t count) {
  std::smatch found;
  if (std::regex_search(table, found, std::regex(R"(^cosine_warmup(\d+)_total(\d+))"))) {
    const auto total = std::stoll(found[2]);
    return TableSchedule{Schedule::kCosine, std::stoll(found[1]), total, 0.0, total};
  }
  if (std::regex_search(table, found,
                        std::regex(R"(^cosine_min_lr_([0-9.e+-]+)_warmup(\d+)_total(\d+))"))) {
    const auto total = std::stoll(found[3]);
    return TableSchedule{Schedule::kCosine, std::stoll(found[2]), total, std::stod(found[1]) / base,
                         total};
  }
  if (std::regex_search(table, found, std::regex(R"(^constant_warmup(\d+))"))) {
    return TableSchedule{Schedule::kConstant, std::stoll(found[1]), count, 0.0, count};
  }
  if (std::regex_search(table, found,
                        std::regex(R"(^torch_CosineAnnealingLR_Tmax(\d+)_eta([0-9.e+-]+))"))) {
    const auto total = std::stoll(found[1]);
    return TableSchedule{Schedule::kCosine, 0, total, std::stod(found[2]) / base, total};
  }
  return std::nullopt;
}

void compare_rate_tables(CaseFolder& folder) {
  const auto json = folder.read_json(kRates);
  const double base = json.at("base");
  for (const auto& [table, values] : json.items()) {
    if (!values.is_array()) {
      continue;
    }
    auto want = values.get<std::vector<double>>();
    const auto schedule = schedule_named(table, base, static_cast<std::int64_t>(want.size()));
    if (!schedule) {
      folder.leave_out(kRates, table, "medaug has no such schedule");
      continue;
    }
    // Beyond its last step medaug holds the rate, where the reference's cosine rises again.
    want.resize(std::min(want.size(), static_cast<std::size_t>(schedule->last) + 1));
    std::vector<double> got;
    for (std::size_t step = 0; step < want.size(); ++step) {
      got.push_back(base * step_schedule_factor(schedule->schedule, static_cast<std::int64_t>(step),
                                                schedule->warmup, schedule->total,
                                                schedule->floor));
    }
    folder.compare_numbers(kRates, table, got, want);
  }
}

}  // namespace

void run_adamw(CaseFolder& folder) {
  const auto parameters = names_with(folder, "grad.");
  MEDAUG_ASSERT(!parameters.empty());
  const auto steps = folder.input(kTrajectories, "grad." + parameters.front()).size(0);
  for (const auto& [name, json] : folder.json().at("runs").items()) {
    compare_run(folder, run_from(name, json, steps));
  }
  compare_rate_tables(folder);
  compare_clipping(folder);
}

}  // namespace medaug::golden
