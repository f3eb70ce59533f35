// SPDX-License-Identifier: MIT
#include "training/model_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/load.h"
#include "training/adapter_file.h"

namespace medaug {
namespace {

Json info_json(const ModelInfo& info) {
  Json out = Json::object();
  out["model"] = to_json(info.generator.dit);
  out["text"] = to_json(info.generator.text);
  out["vocabulary"] = info.generator.vocabulary;
  if (!info.generator.stands_alone()) {
    out["space"] = {{"downscale", info.generator.downscale},
                    {"frozen_text", info.generator.frozen_text},
                    {"parts", to_json(info.frozen)}};
  }
  out["preprocess"] = to_json(info.preprocess);
  out["flow"] = to_json(info.flow);
  out["sampler"] = to_json(info.sampler);
  out["guidance"] = to_json(info.guidance);
  out["example_captions"] = info.example_captions;
  out["training"] = info.training;
  return out;
}

ModelInfo description_of(const SafetensorsFile& file) {
  const auto where = file.path.string();
  const auto found = file.metadata.find("medaug");
  if (found == file.metadata.end()) {
    throw Error(ErrorCode::kCheckpoint, where, "has no description of its model");
  }
  try {
    const auto json = Json::parse(found->second);
    ModelInfo info;
    info.generator.dit = from_json<NextDiTOptions>(json.at("model"), where);
    info.generator.text = from_json<TextEncoderOptions>(json.at("text"), where);
    info.generator.vocabulary = json.at("vocabulary").get<std::int64_t>();
    if (const auto space = json.find("space"); space != json.end()) {
      info.generator.downscale = space->at("downscale").get<std::int64_t>();
      info.generator.frozen_text = space->at("frozen_text").get<bool>();
      info.frozen = from_json<FrozenSources>(space->at("parts"), where);
    }
    info.preprocess = from_json<PreprocessOptions>(json.at("preprocess"), where);
    info.flow = from_json<FlowOptions>(json.at("flow"), where);
    info.sampler = from_json<SamplerOptions>(json.at("sampler"), where);
    info.guidance = from_json<GuidanceOptions>(json.at("guidance"), where);
    info.example_captions = json.at("example_captions").get<std::vector<std::string>>();
    info.training = json.at("training");
    validate(info.generator.dit, "model");
    validate(info.generator.text, "text");
    return info;
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::kCheckpoint, where,
                std::string("its description is damaged: ") + e.what());
  } catch (const Error& e) {
    throw Error(ErrorCode::kCheckpoint, where, e.what());
  }
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& tensor,
                         const std::string& what) {
  throw Error(ErrorCode::kCheckpoint, file.string() + ": " + tensor, what,
              "run 'medaug check checkpoint' on it");
}

std::string tokenizer_of(const SafetensorsFile& file) {
  const auto& bytes = file.at(kTokenizerTensor);
  return {static_cast<const char*>(bytes.const_data_ptr()),
          static_cast<std::size_t>(bytes.numel())};
}

ModelWeights read_plain_model(const std::filesystem::path& path) {
  auto file = read_safetensors(path);
  ModelWeights out;
  out.info = model_info_of(file, kModelFormat);
  out.info.tokenizer = tokenizer_of(file);
  file.tensors.erase(kTokenizerTensor);
  out.tensors = std::move(file.tensors);
  out.sha256 = sha256_file(path);
  return out;
}

/// Each tensor goes as it is taken: a large model is never in memory twice.
void take_weights(Generator& model, ModelWeights& weights, at::Device device,
                  at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  for (auto& item : model.named_parameters()) {
    auto& stored = weights.tensors.at(item.key());
    item.value().set_data(stored.to(device, dtype));
    stored.reset();
  }
}

}  // namespace

at::Tensor bytes_tensor(const std::string& bytes) {
  auto x =
      at::empty({static_cast<std::int64_t>(bytes.size())}, at::TensorOptions().dtype(at::kByte));
  std::memcpy(x.mutable_data_ptr(), bytes.data(), bytes.size());
  return x;
}

void fill_new_ends(ModelWeights& weights) {
  const Generator model(weights.info.generator, std::nullopt, at::kMeta);
  for (const auto& item : model.named_parameters()) {
    if (is_new_end(item.key()) && !weights.tensors.contains(item.key())) {
      weights.tensors[item.key()] = at::zeros(item.value().sizes());
    }
  }
}

void check_weights(const ModelWeights& weights, const std::filesystem::path& path) {
  // On the meta device: a description that promises more than the file holds must not allocate it.
  const Generator model(weights.info.generator, std::nullopt, at::kMeta);
  const auto parameters = model.named_parameters();
  for (const auto& item : parameters) {
    const auto found = weights.tensors.find(item.key());
    if (found == weights.tensors.end()) {
      refuse(path, item.key(), "is missing");
    }
    if (found->second.sizes() != item.value().sizes()) {
      refuse(path, item.key(), "has another shape than its description says");
    }
  }
  for (const auto& [name, tensor] : weights.tensors) {
    if (parameters.find(name) == nullptr) {
      refuse(path, name, "does not belong to this model");
    }
    if (!all_finite(tensor)) {
      refuse(path, name, "holds values that are not finite");
    }
  }
}

void fill_weights(Generator& model, const ModelWeights& weights) {
  const at::NoGradGuard no_grad;
  for (auto& item : model.named_parameters()) {
    const auto& stored = weights.tensors.at(item.key());
    item.value().set_data(stored.to(item.value().scalar_type()));
  }
}

Metadata model_metadata(const ModelInfo& info, const std::string& format) {
  return {{"format", format}, {"medaug", info_json(info).dump()}};
}

ModelInfo model_info_of(const SafetensorsFile& file, const std::string& format) {
  const auto found = file.metadata.find("format");
  if (found == file.metadata.end() || found->second != format) {
    throw Error(ErrorCode::kCheckpoint, file.path.string(),
                "is a safetensors file but not a medaug model",
                "use checkpoints/best_model.safetensors of a run");
  }
  return description_of(file);
}

void write_model_file(const std::filesystem::path& path, const ModelInfo& info,
                      const NamedTensors& weights) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : weights) {
    tensors.emplace_back(name, tensor.to(at::kCPU, at::kFloat).contiguous());
  }
  tensors.emplace_back(kTokenizerTensor, bytes_tensor(info.tokenizer));
  write_safetensors(path, tensors, model_metadata(info, kModelFormat));
}

ModelWeights read_model_weights(const std::filesystem::path& path,
                                std::span<const AdapterChoice> adapters) {
  auto weights = is_adapter_file(path) ? read_adapted_model(path) : read_plain_model(path);
  return adapters.empty() ? std::move(weights) : with_adapters(std::move(weights), path, adapters);
}

LoadedModel load_model_file(const std::filesystem::path& path, at::Device device,
                            at::ScalarType dtype, std::span<const AdapterChoice> adapters) {
  auto weights = read_model_weights(path, adapters);
  auto tokenizer = Tokenizer::load(weights.info.tokenizer, tokenizer_style(weights.info.generator));
  if (tokenizer.size() != weights.info.generator.vocabulary) {
    refuse(path, kTokenizerTensor, "has another size than its description says");
  }
  check_weights(weights, path);
  auto model = std::make_shared<Generator>(weights.info.generator, std::nullopt);
  take_weights(*model, weights, device, dtype);
  nn::gather_parameters(*model);
  attach_frozen_parts(*model, weights.info.frozen, path.parent_path(), device, dtype);
  model->eval();
  for (auto& parameter : model->parameters()) {
    parameter.set_requires_grad(false);
  }
  return {std::move(weights.info), std::move(model), std::move(tokenizer),
          std::move(weights.sha256)};
}

ModelInfo read_model_info(const std::filesystem::path& path) {
  const auto file = read_safetensors_header(path);
  return model_info_of(file, is_adapter_file(file) ? kAdapterFormat : kModelFormat);
}

}  // namespace medaug
