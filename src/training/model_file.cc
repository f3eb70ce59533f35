// SPDX-License-Identifier: MIT
#include "training/model_file.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/files.h"

namespace medaug {
namespace {

constexpr const char* kTokenizer = "tokenizer";
constexpr const char* kFormat = "medaug-model-1";

at::Tensor bytes_tensor(const std::string& bytes) {
  auto x =
      at::empty({static_cast<std::int64_t>(bytes.size())}, at::TensorOptions().dtype(at::kByte));
  std::memcpy(x.mutable_data_ptr(), bytes.data(), bytes.size());
  return x;
}

Json info_json(const ModelInfo& info) {
  Json out = Json::object();
  out["model"] = to_json(info.generator.dit);
  out["text"] = to_json(info.generator.text);
  out["vocabulary"] = info.generator.vocabulary;
  out["preprocess"] = to_json(info.preprocess);
  out["flow"] = to_json(info.flow);
  out["sampler"] = to_json(info.sampler);
  out["guidance"] = to_json(info.guidance);
  out["example_captions"] = info.example_captions;
  out["training"] = info.training;
  return out;
}

ModelInfo info_from(const SafetensorsFile& file) {
  const auto where = file.path.string();
  const auto found = file.metadata.find("medaug");
  const auto format = file.metadata.find("format");
  if (found == file.metadata.end() || format == file.metadata.end() || format->second != kFormat) {
    throw Error(ErrorCode::kCheckpoint, where, "is a safetensors file but not a medaug model",
                "use checkpoints/best_model.safetensors of a run");
  }
  try {
    const auto json = Json::parse(found->second);
    ModelInfo info;
    info.generator.dit = from_json<NextDiTOptions>(json.at("model"), where);
    info.generator.text = from_json<TextEncoderOptions>(json.at("text"), where);
    info.generator.vocabulary = json.at("vocabulary").get<std::int64_t>();
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

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& tensor,
                         const std::string& what) {
  throw Error(ErrorCode::kCheckpoint, file.path.string() + ": " + tensor, what,
              "run 'medaug check checkpoint' on it");
}

/// The description against the tensors, on the meta device: one that promises more than the file
/// holds must not allocate it.
void check_shapes(const GeneratorOptions& options, const SafetensorsFile& file) {
  const Generator model(options, std::nullopt, at::kMeta);
  const auto parameters = model.named_parameters();
  for (const auto& item : parameters) {
    const auto found = file.tensors.find(item.key());
    if (found == file.tensors.end()) {
      refuse(file, item.key(), "is missing");
    }
    if (found->second.sizes() != item.value().sizes()) {
      refuse(file, item.key(), "has another shape than its description says");
    }
  }
  for (const auto& [name, tensor] : file.tensors) {
    if (name != kTokenizer && parameters.find(name) == nullptr) {
      refuse(file, name, "does not belong to this model");
    }
  }
}

void fill_weights(Generator& model, const SafetensorsFile& file) {
  const at::NoGradGuard no_grad;
  for (auto& item : model.named_parameters()) {
    const auto& stored = file.tensors.at(item.key());
    if (!at::isfinite(stored).all().item<bool>()) {
      refuse(file, item.key(), "holds values that are not finite");
    }
    item.value().set_data(stored.to(item.value().scalar_type()));
  }
}

std::string tokenizer_of(const SafetensorsFile& file) {
  const auto& bytes = file.at(kTokenizer);
  return {static_cast<const char*>(bytes.const_data_ptr()),
          static_cast<std::size_t>(bytes.numel())};
}

}  // namespace

void write_model_file(const std::filesystem::path& path, const ModelInfo& info,
                      const NamedTensors& weights) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : weights) {
    tensors.emplace_back(name, tensor.to(at::kCPU, at::kFloat).contiguous());
  }
  tensors.emplace_back(kTokenizer, bytes_tensor(info.tokenizer));
  write_safetensors(path, tensors, {{"format", kFormat}, {"medaug", info_json(info).dump()}});
}

LoadedModel load_model_file(const std::filesystem::path& path, at::Device device,
                            at::ScalarType dtype) {
  const auto file = read_safetensors(path);
  auto info = info_from(file);
  info.tokenizer = tokenizer_of(file);
  auto tokenizer = Tokenizer::load(info.tokenizer);
  if (tokenizer.size() != info.generator.vocabulary) {
    refuse(file, kTokenizer, "has another size than its description says");
  }
  check_shapes(info.generator, file);
  auto model = std::make_shared<Generator>(info.generator, std::nullopt);
  fill_weights(*model, file);
  model->to(device, dtype);
  nn::gather_parameters(*model);
  model->eval();
  for (auto& parameter : model->parameters()) {
    parameter.set_requires_grad(false);
  }
  return {std::move(info), std::move(model), std::move(tokenizer), sha256_file(path)};
}

ModelInfo read_model_info(const std::filesystem::path& path) {
  return info_from(read_safetensors_header(path));
}

}  // namespace medaug
