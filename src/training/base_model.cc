// SPDX-License-Identifier: MIT
#include "training/base_model.h"

#include <string>
#include <utility>

#include "base/error.h"
#include "checkpoint/run_folder.h"
#include "models/lora.h"

namespace medaug {
namespace {

/// "model.heads is 4, was 2", or nothing.
std::string difference(const std::string& section, const Json& wanted, const Json& found) {
  for (const auto& [key, value] : wanted.items()) {
    if (found.at(key) != value) {
      return section + "." + key + " is " + value.dump() + ", the model's is " +
             found.at(key).dump();
    }
  }
  return {};
}

}  // namespace

BaseModel open_base_model(const std::filesystem::path& given) {
  const auto path = find_inference_file(given);
  return {path, read_model_weights(path)};
}

std::optional<ModelInfo> latent_base(const std::filesystem::path& base) {
  if (base.empty()) {
    return std::nullopt;
  }
  try {
    const auto file = find_inference_file(base);
    auto info = read_model_info(file);
    info.frozen = with_whole_paths(info.frozen, file.parent_path());
    return info.generator.stands_alone() ? std::nullopt : std::optional(std::move(info));
  } catch (const Error&) {
    return std::nullopt;
  }
}

void require_same_network(const GeneratorOptions& wanted, const BaseModel& base) {
  const auto& found = base.weights.info.generator;
  auto what =
      difference("model", to_json(without_new_ends(wanted.dit, found.dit)), to_json(found.dit));
  if (what.empty()) {
    what = difference("text", to_json(wanted.text), to_json(found.text));
  }
  if (!what.empty()) {
    throw Error(ErrorCode::kConfig, base.path.string(),
                "training.init_from is another model than the config describes: " + what,
                "take the sections model and text from the config.yaml of the run that made it");
  }
}

void start_from(Generator& model, BaseModel& base) {
  base.weights.info.generator = model.options();
  fill_new_ends(base.weights);
  check_weights(base.weights, base.path);
  fill_weights(model, base.weights);
  base.weights.tensors.clear();
}

}  // namespace medaug
