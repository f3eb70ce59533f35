// SPDX-License-Identifier: MIT
#include "training/adapter_file.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/strings.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPeftPrefix = "base_model.model.";
constexpr std::string_view kNetwork = "dit.";
constexpr std::string_view kWeight = ".weight";
constexpr int kMostFoldersUp = 4;

/// dit.layers.0.attention.wq.lora_A -> base_model.model.layers.0.attention.wq.lora_A.weight
std::string peft_name(const std::string& parameter) {
  const auto inside =
      parameter.starts_with(kNetwork) ? parameter.substr(kNetwork.size()) : parameter;
  return std::string(kPeftPrefix) + inside + (is_adapter(inside) ? std::string(kWeight) : "");
}

std::string own_name(const std::string& key, const fs::path& path) {
  if (!key.starts_with(kPeftPrefix)) {
    throw Error(ErrorCode::kCheckpoint, path.string() + ": " + printable(key, 100),
                "is no name of an adapter's tensor", "they begin with " + std::string(kPeftPrefix));
  }
  auto name = std::string(kNetwork) + key.substr(kPeftPrefix.size());
  const auto stem = name.substr(0, name.size() - std::min(name.size(), kWeight.size()));
  return is_adapter(stem) && name.ends_with(kWeight) ? stem : name;
}

[[noreturn]] void refuse(const AdapterFile& adapter, const std::string& name,
                         const std::string& what) {
  throw Error(ErrorCode::kCheckpoint, adapter.path.string() + ": " + printable(name, 100), what,
              "an adapter goes over the model that it was trained on");
}

void check_base(const AdapterFile& adapter, const fs::path& base, const std::string& sha256) {
  if (adapter.info.base_sha256 != sha256) {
    throw Error(ErrorCode::kCheckpoint, adapter.path.string(),
                "was trained on another model: " + base.string() + " has the SHA-256 " +
                    sha256.substr(0, 16) + "..., its base " + adapter.info.base + " had " +
                    adapter.info.base_sha256.substr(0, 16) + "...",
                "give the model that training.init_from named");
  }
}

/// What an adapter says about the network must fit the base, but for the layers it brings itself.
void check_options(const AdapterFile& adapter, const ModelInfo& base) {
  const auto dit = without_new_ends(adapter.info.model.generator.dit, base.generator.dit);
  if (to_json(dit) != to_json(base.generator.dit)) {
    refuse(adapter, "model", "describes another network than the base");
  }
}

void add_low_rank(std::map<std::string, at::Tensor>& weights, const AdapterFile& adapter,
                  const std::string& layer, double scale) {
  const auto a = adapter.tensors.find(layer + ".lora_A"),
             b = adapter.tensors.find(layer + ".lora_B");
  const auto weight = weights.find(layer + ".weight");
  if (weight == weights.end()) {
    refuse(adapter, layer, "is no layer of the base");
  }
  if (a == adapter.tensors.end() || b == adapter.tensors.end()) {
    refuse(adapter, layer, "has only one of lora_A and lora_B");
  }
  const auto& w = weight->second;
  const auto rank = adapter.info.lora.rank;
  if (w.dim() != 2 || a->second.sizes() != at::IntArrayRef({rank, w.size(1)}) ||
      b->second.sizes() != at::IntArrayRef({w.size(0), rank})) {
    refuse(adapter, layer, "has another shape than the base or its rank");
  }
  const auto term = b->second.to(at::kFloat).mm(a->second.to(at::kFloat));
  weight->second = w.to(at::kFloat) + term * (scale * adapter.info.lora.scale());
}

/// Moves a parameter that was trained as a whole away from what the base had, or from zero.
void add_whole(ModelWeights& to, const std::map<std::string, at::Tensor>& base,
               const AdapterFile& adapter, const std::string& name, double scale) {
  if (!is_new_end(name)) {
    refuse(adapter, name, "is no part of an adapter");
  }
  const auto trained = adapter.tensors.at(name).to(at::kFloat);
  const auto found = base.find(name);
  const auto before = found == base.end() ? at::zeros_like(trained) : found->second;
  auto& weight = to.tensors.emplace(name, before).first->second;
  if (weight.sizes() != trained.sizes()) {
    refuse(adapter, name, "has another shape than the base or the adapter before");
  }
  weight = weight + (trained - before) * scale;
}

void add_adapter(ModelWeights& to, const std::map<std::string, at::Tensor>& base,
                 const AdapterFile& adapter, double scale) {
  for (const auto& [name, tensor] : adapter.tensors) {
    if (name.ends_with(".lora_A")) {
      add_low_rank(to.tensors, adapter, name.substr(0, name.rfind('.')), scale);
    } else if (!is_adapter(name)) {
      add_whole(to, base, adapter, name, scale);
    } else if (!adapter.tensors.contains(name.substr(0, name.size() - 1) + "A")) {
      refuse(adapter, name, "stands there without its lora_A");
    }
  }
}

std::vector<AdapterFile> read_all(std::span<const AdapterChoice> choices) {
  std::vector<AdapterFile> files;
  for (const auto& choice : choices) {
    files.push_back(read_adapter_file(choice.path));
  }
  return files;
}

fs::path find_base(const AdapterFile& adapter) {
  auto folder = adapter.path.parent_path();
  for (int i = 0; i < kMostFoldersUp; ++i, folder = folder / "..") {
    const auto candidate = (folder / adapter.info.base).lexically_normal();
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) {
      return candidate;
    }
  }
  throw Error(ErrorCode::kCheckpoint, adapter.path.string(),
              "its base model " + printable(adapter.info.base, 300) + " is not there",
              "put it back, or name it: --checkpoint BASE --lora " + adapter.path.string());
}

ModelWeights lay_over(ModelWeights base, const fs::path& path,
                      const std::vector<AdapterFile>& adapters, const std::vector<double>& scales) {
  const auto before = base.tensors;
  const auto tokenizer = base.info.tokenizer;
  auto hashes = base.sha256;
  auto info = adapters.front().info.model;
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    check_base(adapters[i], path, base.sha256);
    check_options(adapters[i], base.info);
    add_adapter(base, before, adapters[i], scales[i]);
    if (adapters[i].info.model.generator.dit.mask_classes > info.generator.dit.mask_classes) {
      info = adapters[i].info.model;
    }
    hashes += " " + adapters[i].sha256 + ":" + Json(scales[i]).dump();
  }
  base.info = std::move(info);
  base.info.tokenizer = tokenizer;
  base.sha256 = sha256(hashes);
  fill_new_ends(base);
  return base;
}

}  // namespace

void write_adapter_file(const fs::path& path, const AdapterInfo& info,
                        const NamedTensors& weights) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : weights) {
    tensors.emplace_back(peft_name(name), tensor.to(at::kCPU, at::kFloat).contiguous());
  }
  auto metadata = model_metadata(info.model, kAdapterFormat);
  metadata["lora"] = to_json(info.lora).dump();
  metadata["rank"] = std::to_string(info.lora.rank);
  metadata["alpha"] = Json(info.lora.scale() * static_cast<double>(info.lora.rank)).dump();
  metadata["base"] = info.base;
  metadata["base_sha256"] = info.base_sha256;
  write_safetensors(path, tensors, metadata);
}

AdapterFile read_adapter_file(const fs::path& path) {
  const auto file = read_safetensors(path);
  AdapterFile out;
  out.path = path;
  if (!is_adapter_file(file)) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "is no adapter file",
                "give checkpoints/best_adapter.safetensors of a run with lora.rank");
  }
  try {
    out.info.model = model_info_of(file, kAdapterFormat);
    out.info.lora = from_json<LoraOptions>(Json::parse(file.metadata.at("lora")), path.string());
    out.info.base = file.metadata.at("base");
    out.info.base_sha256 = file.metadata.at("base_sha256");
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::kCheckpoint, path.string(),
                std::string("its description is damaged: ") + e.what());
  } catch (const std::out_of_range&) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "its description lacks lora or base");
  }
  if (out.info.lora.rank < 1) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "its rank is 0");
  }
  for (const auto& [key, tensor] : file.tensors) {
    const auto name = own_name(key, path);
    if (!tensor.is_floating_point() || !at::isfinite(tensor).all().item<bool>()) {
      refuse(out, key, "holds values that are not finite");
    }
    out.tensors.emplace(name, tensor);
  }
  out.sha256 = sha256_file(path);
  return out;
}

bool is_adapter_file(const SafetensorsFile& file) {
  const auto format = file.metadata.find("format");
  return format != file.metadata.end() && format->second == kAdapterFormat;
}

bool is_adapter_file(const fs::path& path) {
  return is_adapter_file(read_safetensors_header(path));
}

ModelWeights read_adapted_model(const fs::path& path) {
  const auto adapter = read_adapter_file(path);
  const auto base = find_base(adapter);
  auto weights = lay_over(read_model_weights(base), base, {adapter}, {1.0});
  weights.sha256 = adapter.sha256;
  return weights;
}

ModelWeights with_adapters(ModelWeights base, const fs::path& path,
                           std::span<const AdapterChoice> adapters) {
  std::vector<double> scales;
  for (const auto& adapter : adapters) {
    scales.push_back(adapter.scale);
  }
  return lay_over(std::move(base), path, read_all(adapters), scales);
}

}  // namespace medaug
