// SPDX-License-Identifier: MIT
// The Gemma 1 text encoder against transformers: every hidden state, the inside of the first layer,
// and the layout of the real one.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "cases.h"
#include "checkpoint/load_gemma.h"
#include "nn/ops.h"

namespace medaug::golden {
namespace {

constexpr const char* kWeights = "weights.safetensors";

/// case.json says by its text that the model is Gemma 1; transformers' config.json does by this
/// field.
GemmaOptions options_of(Json config) {
  config["model_type"] = "gemma";
  return gemma_options_from_json(config, "case.json: config");
}

using Observed = std::map<std::string, at::Tensor>;

/// All that the network makes, under the names of the stored tensors.
Observed observed(CaseFolder& folder, const std::string& file, const GemmaOptions& options,
                  at::ScalarType dtype) {
  const auto model =
      load_gemma(TensorSource::open(folder.folder() / kWeights), options, at::kCPU, dtype);
  Observed seen;
  GemmaCall call;
  call.observe = [&](const std::string& name, const at::Tensor& value) { seen[name] = value; };
  seen["feature"] =
      model->feature(folder.input(file, "input_ids"), folder.input(file, "attention_mask"), call);
  return seen;
}

void compare_run(CaseFolder& folder, const std::string& file, const GemmaOptions& options,
                 at::ScalarType dtype) {
  auto seen = observed(folder, file, options, dtype);
  folder.compare(file, "lumina_feature", seen.at("feature"));
  folder.compare_if_stored(file, "lumina_feature_sdpa", seen.at("feature"));
  // A network with one layer more computes the last one of this as well.
  auto longer = options;
  ++longer.num_hidden_layers;
  seen = observed(folder, file, longer, dtype);
  seen.erase("hidden_states." + std::to_string(options.num_hidden_layers));  // there: normed
  for (const auto& [name, value] : seen) {
    folder.compare_if_stored(file, name, value);
  }
  const auto norm = 1.0 + folder.input(kWeights, "norm.weight").to(dtype).to(at::kFloat);
  folder.compare(file, "last_hidden_state",
                 nn::rms_norm(seen.at("feature"), norm.unsqueeze(0), options.rms_norm_eps));
}

void compare_layout(CaseFolder& folder, const std::string& file, const GemmaOptions& options) {
  const auto want = folder.read_json(file);
  const auto layout = gemma_layout(options);
  std::int64_t parameters = 0;
  for (const auto& [name, shape] : layout) {
    parameters += c10::multiply_integers(shape);
    if (want.at("shapes").value(name, std::vector<std::int64_t>{-1}) != shape) {
      folder.fail(file, name, "is not there, or has another shape");
    }
  }
  folder.compare_counts(file, "tensors", std::ssize(layout), std::ssize(want.at("shapes")));
  folder.compare_counts(file, "parameters", parameters, want.at("parameters"));
}

}  // namespace

void run_gemma_tiny(CaseFolder& folder) {
  const auto options = options_of(folder.json().at("config"));
  folder.inputs(kWeights);
  compare_run(folder, "fp32.safetensors", options, at::kFloat);
  compare_run(folder, "bf16.safetensors", options, at::kBFloat16);
  for (const auto& [file, entry] : folder.json().at("files").items()) {
    if (file.starts_with("layout")) {
      compare_layout(folder, file, options_of(folder.json().at("real_config")));
    }
  }
}

}  // namespace medaug::golden
