// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <set>
#include <utility>

#include "base/error.h"
#include "cases.h"
#include "flow/path.h"
#include "flow/sampler.h"
#include "nextdit_golden.h"

namespace medaug::golden {
namespace {

// GLIDE's rule, which Lumina kept: guidance acts on the first three channels.
constexpr std::int64_t kGuidedChannels = 3;

using Observed = std::map<std::string, at::Tensor>;

NextDiTCall observing(Observed& observed) {
  NextDiTCall call;
  call.observe = [&observed](const std::string& name, const Tensor& value) {
    observed[name] = value;
  };
  return call;
}

void compare_observed(CaseFolder& folder, const std::string& file, const std::string& prefix,
                      const Observed& observed) {
  for (const auto& [name, value] : observed) {
    folder.compare_if_stored(file, prefix + name, value);
  }
}

void compare_forward(CaseFolder& folder, const NextDiT& network, const std::string& name,
                     const std::string& tag) {
  const auto file = name + ".forward.safetensors";
  const auto prefix = tag + ".";
  auto in = captions_of(folder, file, prefix);
  in.x = folder.input(file, prefix + "x");
  in.time = folder.input(file, prefix + "t");
  Observed observed;
  folder.compare(file, prefix + "out", network.forward(in, observing(observed)));
  compare_observed(folder, file, prefix, observed);
  compare_first_block(folder, file, prefix, network, observed);
}

std::vector<Tensor> numbered(CaseFolder& folder, const std::string& file,
                             const std::string& prefix) {
  std::vector<Tensor> tensors;
  while (folder.has(file, prefix + std::to_string(tensors.size()))) {
    tensors.push_back(folder.input(file, prefix + std::to_string(tensors.size())));
  }
  return tensors;
}

void compare_list(CaseFolder& folder, const NextDiT& network, const std::string& name) {
  const auto file = name + ".list.safetensors";
  auto shared = captions_of(folder, file, "");
  shared.time = folder.input(file, "t");
  Observed observed;
  const auto out = network.forward_list(numbered(folder, file, "x"), shared, observing(observed));
  for (std::size_t i = 0; i < out.size(); ++i) {
    folder.compare(file, "out" + std::to_string(i), out[i]);
  }
  compare_observed(folder, file, "", observed);
}

NextDiTCall call_from(const Json& json) {
  const auto& base = json.at("base_seqlen");
  const bool proportional = json.at("proportional_attn").get<bool>();
  NextDiTCall call;
  call.scale_factor = json.value("scale_factor", 1.0);
  call.scale_watershed = json.value("scale_watershed", 1.0);
  call.proportional_base = proportional && !base.is_null() ? base.get<std::int64_t>() : 0;
  return call;
}

void compare_guided(CaseFolder& folder, const NextDiT& network, const std::string& name,
                    const Json& calls) {
  const auto file = name + ".cfg.safetensors";
  for (const auto& json : calls) {
    auto in = captions_of(folder, file, "");
    in.x = folder.input(file, "x");
    in.time = at::full({in.x.size(0)}, json.at("t").get<double>());
    const auto out = guided(network, in, json.at("cfg_scale"), call_from(json));
    folder.compare(file, json.at("tag").get<std::string>() + ".out", out);
  }
}

Solver solver_named(const std::string& method) {
  const auto solver = enum_from_name<Solver>(method == "heun2" ? "heun" : method);
  if (!solver) {
    throw Error(ErrorCode::kData, "case.json", "unknown solver '" + method + "'");
  }
  return *solver;
}

void compare_sampling(CaseFolder& folder, const NextDiT& network, const std::string& name,
                      const Json& runs) {
  const auto file = name + ".sample.safetensors";
  for (const auto& run : runs) {
    const auto call = call_from(run);
    const double scale = run.at("cfg_scale");
    const auto field = [&](const Tensor& z, double time) {
      auto in = captions_of(folder, file, "");
      in.x = z;
      in.time = at::full({z.size(0)}, time);
      return guided(network, in, scale, call);
    };
    const double shift = run.value("time_shifting_factor", 1.0);
    const SamplerOptions options{.solver = solver_named(run.at("method")),
                                 .steps = run.at("num_steps").get<std::int64_t>() - 1,
                                 .grid = TimeGrid::kLinear,
                                 .time_shift = shift > 0.0 ? shift : 1.0,
                                 .euler_last = false};
    const auto z = folder.input(file, "z");
    std::vector<Tensor> states{z.chunk(2)[0]};
    integrate(field, z, time_grid(options), options,
              [&](std::int64_t, std::int64_t, const Tensor& state) {
                states.push_back(state.chunk(2)[0]);
                return true;
              });
    folder.compare(file, run.at("tag").get<std::string>() + ".states", at::stack(states));
  }
}

// One training step of the list path: losses and the gradient of every parameter.
void compare_gradients(CaseFolder& folder, NextDiT& network, const std::string& name) {
  const auto file = name + ".grad.safetensors";
  const FlowOptions flow{.prediction = Prediction::kVelocity, .data_mean = {}};
  const auto noises = numbered(folder, file, "x0_");
  const auto images = numbered(folder, file, "x1_");
  auto shared = captions_of(folder, file, "");
  shared.time = folder.input(file, "t");
  const at::AutoGradMode with_gradients(true);
  std::vector<Tensor> states;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto time = shared.time[static_cast<std::int64_t>(i)];
    states.push_back(interpolate(images[i], noises[i], time, flow));
  }
  const auto out = network.forward_list(states, shared);
  std::vector<Tensor> losses;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto time = shared.time.narrow(0, static_cast<std::int64_t>(i), 1);
    const auto batch = [](const Tensor& x) { return x.unsqueeze(0); };
    losses.push_back(velocity_loss(batch(out[i]), batch(images[i]), batch(noises[i]),
                                   batch(states[i]), time, flow));
  }
  const auto per_sample = at::cat(losses);
  const auto loss = per_sample.mean();
  network.zero_grad();
  loss.backward();
  folder.compare(file, "loss_per_sample", per_sample.detach());
  folder.compare(file, "loss", loss.detach().view({1}));
  for (const auto& entry : network.named_parameters()) {
    const auto& gradient = entry.value().grad();
    folder.compare(file, "grad." + entry.key(),
                   gradient.defined() ? gradient : at::zeros_like(entry.value()));
  }
}

void compare_fresh_network(CaseFolder& folder, const std::string& name,
                           const NextDiTOptions& options) {
  const auto checks = folder.json().value("checks", Json::object());
  if (!checks.contains("fresh_init_output_abs_max")) {
    return;
  }
  const auto file = name + ".cfg.safetensors";
  const NextDiT fresh(options, 1);
  auto in = captions_of(folder, file, "");
  in.x = folder.input(file, "x");
  in.time = at::full({in.x.size(0)}, 0.5);
  const double largest = fresh.forward(in).abs().max().item<double>();
  if (largest != checks.at("fresh_init_output_abs_max").get<double>()) {
    folder.fail(file, "(fresh network)", "returns " + std::to_string(largest));
  }
}

void run_network(CaseFolder& folder, const std::string& name, const Json& config) {
  const auto options = lumina_options(config.at("arguments"));
  const auto network = lumina_network(folder, options, name + ".weights.safetensors");
  std::int64_t parameters = 0;
  for (const auto& parameter : network->parameters()) {
    parameters += parameter.numel();
  }
  folder.compare_counts("case.json", name + ".parameters", parameters, config.at("parameters"));
  folder.compare_counts("case.json", name + ".ffn_hidden", ffn_hidden(options),
                        config.at("ffn_hidden"));
  for (const auto& tag : config.at("forward_tags")) {
    compare_forward(folder, *network, name, tag);
  }
  compare_list(folder, *network, name);
  compare_guided(folder, *network, name, config.at("cfg_calls"));
  compare_sampling(folder, *network, name, config.at("sample_runs"));
  compare_fresh_network(folder, name, options);
  if (config.value("has_grad_file", false)) {
    compare_gradients(folder, *network, name);
  }
}

}  // namespace

NextDiTInput captions_of(CaseFolder& folder, const std::string& file, const std::string& prefix) {
  NextDiTInput in;
  in.caption = folder.input(file, prefix + "cap_feats");
  in.caption_mask = folder.input(file, prefix + "cap_mask").to(at::kBool);
  return in;
}

Tensor guided(const NextDiT& network, NextDiTInput in, double scale, const NextDiTCall& call) {
  const auto half = in.x.chunk(2)[0];
  in.x = at::cat({half, half});
  const auto out = network.forward(in, call);
  const auto channels = std::min(kGuidedChannels, out.size(1));
  const auto parts = out.slice(1, 0, channels).chunk(2);
  const auto mixed = parts[1] + (parts[0] - parts[1]) * scale;
  return at::cat({at::cat({mixed, mixed}), out.slice(1, channels)}, 1);
}

NextDiTOptions lumina_options(const Json& arguments) {
  const auto integer = [&](const char* key, std::int64_t otherwise) {
    return arguments.contains(key) && !arguments.at(key).is_null()
               ? arguments.at(key).get<std::int64_t>()
               : otherwise;
  };
  NextDiTOptions o;
  o.patch_size = integer("patch_size", 2);
  o.in_channels = o.out_channels = integer("in_channels", 4);
  o.mask_classes = 0;
  o.dim = integer("dim", 4096);
  o.layers = integer("n_layers", 32);
  o.heads = integer("n_heads", 32);
  o.kv_heads = integer("n_kv_heads", 0);
  o.ffn_multiple_of = integer("multiple_of", 256);
  o.ffn_multiplier = arguments.value("ffn_dim_multiplier", 0.0);
  o.norm_eps = arguments.value("norm_eps", 1e-5);
  o.qk_norm = arguments.value("qk_norm", false) ? QkNorm::kLayer : QkNorm::kNone;
  o.caption_dim = integer("cap_feat_dim", 5120);
  o.learn_sigma = arguments.value("learn_sigma", true);
  return o;
}

std::unique_ptr<NextDiT> lumina_network(CaseFolder& folder, const NextDiTOptions& options,
                                        const std::string& file) {
  const at::NoGradGuard no_grad;
  auto network = std::make_unique<NextDiT>(options);
  const auto weights = folder.inputs(file);
  std::set<std::string> known;
  for (const auto& entry : network->named_parameters()) {
    known.insert(entry.key());
    const auto found = weights.find(entry.key());
    if (found == weights.end() || found->second.sizes() != entry.value().sizes()) {
      throw Error(ErrorCode::kCheckpoint, file, entry.key() + " is missing or has another shape");
    }
    Tensor(entry.value()).copy_(found->second);
  }
  for (const auto& entry : weights) {
    if (!known.contains(entry.first)) {
      throw Error(ErrorCode::kCheckpoint, file, entry.first + " is unknown to the model");
    }
  }
  return network;
}

void run_nextdit_lumina(CaseFolder& folder) {
  const at::NoGradGuard no_grad;
  compare_tables(folder);
  compare_layouts(folder);
  for (const auto& [name, config] : folder.json().at("config").items()) {
    run_network(folder, name, config);
  }
}

}  // namespace medaug::golden
