// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/export.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/lineage/key_map.h"
#include "checkpoint/safetensors_reader.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

/// Side of the latents of the published models: 1024 pixels.
constexpr std::int64_t kUsualSampleSize = 128;
/// For the headers and the small files.
constexpr std::int64_t kSpareBytes = 4'000'000;

bool is_mask(const std::string& name) { return name.starts_with("mask_"); }

[[noreturn]] void refuse(const ImportedBackbone& backbone, const std::string& what,
                         const std::string& hint) {
  throw Error(ErrorCode::kCheckpoint, printable(backbone.files().weights.string(), 1000), what,
              hint);
}

/// What no published form has, as words, or "".
std::string foreign_part(const NextDiTOptions& o) {
  if (!o.conv_channels.empty()) {
    return "convolutional ends (conv_channels)";
  }
  if (o.bottleneck > 0) {
    return "a bottleneck before its tokens (bottleneck)";
  }
  if (o.modulation != Modulation::kPerBlock) {
    return "one modulation for all blocks (modulation: shared)";
  }
  if (o.augment_features > 0) {
    return "an augment vector (augment_features)";
  }
  if (o.in_channels != o.out_channels) {
    return "other channels out than in (out_channels)";
  }
  if (o.caption_dim == 0) {
    return "no captions (caption_dim: 0)";
  }
  return o.rope_theta != 10000.0 ? "another base of the rotary embedding (rope_theta)" : "";
}

bool has_text_encoder(const ImportedBackbone& backbone) {
  const auto& others = backbone.others();
  return std::any_of(others.begin(), others.end(),
                     [](const auto& name) { return name.starts_with("text."); });
}

/// "image" or "velocity", as a run's model file says; the published forms are velocities.
std::string prediction_of(const ImportedBackbone& backbone) {
  const auto flow = backbone.description().find("flow");
  return flow != backbone.description().end() && flow->is_object()
             ? flow->value("prediction", std::string("velocity"))
             : "velocity";
}

bool masks_are_zero(const ImportedBackbone& backbone) {
  const auto& all = backbone.tensors();
  return std::none_of(all.begin(), all.end(), [&](const auto& tensor) {
    return is_mask(tensor.name) &&
           backbone.read(tensor.name).count_nonzero().template item<std::int64_t>() > 0;
  });
}

std::string dtype_of(const PlannedTensor& tensor, ExportDtype wanted) {
  switch (wanted) {
    case ExportDtype::kFloat32:
      return "F32";
    case ExportDtype::kBfloat16:
      return "BF16";
    case ExportDtype::kKeep:
      break;
  }
  return tensor.dtype;
}

/// What is written, and from which tensor of the network each comes.
struct Plan {
  std::vector<PlannedTensor> tensors;
  std::map<std::string, std::string> sources;
};

Plan plan_for(const ImportedBackbone& backbone, const ExportOptions& options) {
  Plan plan;
  const bool ours = options.layout == BackboneLayout::kMedaug;
  for (const auto& tensor : backbone.tensors()) {
    if (is_mask(tensor.name) && !ours) {
      continue;
    }
    std::vector<std::string> names{ours ? kBackbonePrefix + tensor.name : tensor.name};
    if (options.layout == BackboneLayout::kDiffusers) {
      names = diffusers_keys(tensor.name);
    }
    for (const auto& name : names) {
      plan.tensors.push_back({name, dtype_of(tensor, options.dtype), tensor.shape});
      plan.sources[name] = tensor.name;
    }
  }
  // As Python's safetensors orders them, so that a file that it wrote comes back byte by byte.
  std::sort(plan.tensors.begin(), plan.tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return plan;
}

Json diffusers_config(const ImportedBackbone& backbone) {
  const auto& o = backbone.options();
  Json config = Json::object();
  config["_class_name"] = "LuminaNextDiT2DModel";
  config["_diffusers_version"] = "0.30.0";
  config["sample_size"] = backbone.sample_size().value_or(kUsualSampleSize);
  config["patch_size"] = o.patch_size;
  config["in_channels"] = o.in_channels;
  config["hidden_size"] = o.dim;
  config["num_layers"] = o.layers;
  config["num_attention_heads"] = o.heads;
  config["num_kv_heads"] = o.kv_heads > 0 ? o.kv_heads : o.heads;
  config["multiple_of"] = o.ffn_multiple_of;
  config["ffn_dim_multiplier"] = o.ffn_multiplier > 0.0 ? Json(o.ffn_multiplier) : Json(nullptr);
  config["norm_eps"] = o.norm_eps;
  config["learn_sigma"] = o.learn_sigma;
  config["qk_norm"] = o.qk_norm == QkNorm::kLayer;
  config["cross_attention_dim"] = o.caption_dim;
  config["scaling_factor"] = 1.0;
  return config;
}

Json lumina_arguments(const ImportedBackbone& backbone) {
  const auto& o = backbone.options();
  const auto name = lumina_model_name(o);
  Json arguments = Json::object();
  arguments["model"] = name.empty() ? Json(nullptr) : Json(name);
  arguments["qk_norm"] = o.qk_norm == QkNorm::kLayer;
  arguments["norm_eps"] = o.norm_eps;
  arguments["patch_size"] = o.patch_size;
  return arguments;
}

Metadata metadata_for(const ImportedBackbone& backbone, BackboneLayout layout) {
  if (layout != BackboneLayout::kMedaug) {
    return {{"format", "pt"}};
  }
  Json description = Json::object();
  description["model"] = to_json(backbone.options());
  description["source"] = {{"layout", enum_name(backbone.layout())},
                           {"file", backbone.files().weights.filename().string()},
                           {"ema", backbone.files().ema}};
  if (backbone.sample_size()) {
    description["sample_size"] = *backbone.sample_size();
  }
  return {{"format", kBackboneFormat}, {"medaug", description.dump(-1, ' ', true)}};
}

void require_space(const fs::path& folder, std::int64_t bytes) {
  const auto there = free_bytes(existing_part(folder));
  if (there < bytes + kSpareBytes) {
    throw Error(ErrorCode::kResource, printable(folder.string(), 1000),
                "the weights take " + human_bytes(static_cast<double>(bytes)) + ", the disk has " +
                    human_bytes(static_cast<double>(there)) + " left",
                "free some space, or choose another folder");
  }
}

}  // namespace

std::vector<fs::path> export_files(BackboneLayout layout, const fs::path& folder) {
  switch (layout) {
    case BackboneLayout::kLumina:
      return {folder / "consolidated.00-of-01.safetensors", folder / "model_args.json"};
    case BackboneLayout::kDiffusers:
      return {folder / "diffusion_pytorch_model.safetensors", folder / "config.json"};
    case BackboneLayout::kMedaug:
      break;
  }
  return {folder / "model.safetensors"};
}

void require_exportable(const ImportedBackbone& backbone, const ExportOptions& options) {
  if (options.layout == BackboneLayout::kMedaug) {
    return;
  }
  const std::string form(enum_name(options.layout));
  const auto foreign = foreign_part(backbone.options());
  if (!foreign.empty()) {
    refuse(backbone, "has " + foreign + ", which the form '" + form + "' cannot hold",
           "only networks of the presets 2b and 2b-gqa and their kind can leave medaug");
  }
  if (has_text_encoder(backbone)) {
    refuse(
        backbone, "reads captions with a text encoder of its own (text.*)",
        "the form '" + form + "' is for captions by Gemma: its network would be of no use alone");
  }
  if (prediction_of(backbone) != "velocity") {
    refuse(backbone, "predicts the " + printable(prediction_of(backbone)) + ", not the velocity",
           "samplers of the form '" + form + "' would make nothing of it");
  }
  if (backbone.options().mask_classes > 0 && !options.drop_mask && !masks_are_zero(backbone)) {
    refuse(backbone, "has trained mask planes, which the form '" + form + "' cannot hold",
           "--drop-mask leaves them out: the model then ignores masks");
  }
}

ExportedBackbone export_backbone(const ImportedBackbone& backbone, const fs::path& folder,
                                 const ExportOptions& options) {
  require_exportable(backbone, options);
  if (!backbone.others().empty()) {
    log_info(std::to_string(backbone.others().size()) +
             " tensors beside the network (text encoder, tokenizer) are left out");
  }
  const auto plan = plan_for(backbone, options);
  ExportedBackbone out;
  out.files = export_files(options.layout, folder);
  out.tensors = static_cast<std::int64_t>(plan.tensors.size());
  out.bytes = planned_bytes(plan.tensors);
  for (const auto& tensor : plan.tensors) {
    out.parameters += planned_bytes({tensor}) / dtype_bytes(tensor.dtype);
  }
  require_space(folder, out.bytes);
  make_folders(folder);
  std::map<std::string, at::ScalarType> types;
  for (const auto& tensor : plan.tensors) {
    types[tensor.name] = *weight_scalar_type(tensor.dtype);
  }
  auto planned = plan.tensors;
  std::map<std::string, at::Tensor> beside;
  for (const auto& [name, tensor] : options.beside) {
    planned.push_back({name, dtype_name(name, tensor.scalar_type()), tensor.sizes().vec()});
    beside[name] = tensor;
  }
  std::int64_t done = 0;
  const auto make = [&](const std::string& name) {
    if (const auto given = beside.find(name); given != beside.end()) {
      return given->second;
    }
    auto tensor = backbone.read(plan.sources.at(name)).to(types.at(name));
    if (options.progress) {
      options.progress(++done, out.tensors);
    }
    return tensor;
  };
  stream_safetensors(out.files.front(), planned, make,
                     options.metadata.value_or(metadata_for(backbone, options.layout)));
  if (out.files.size() > 1) {
    const auto json = options.layout == BackboneLayout::kDiffusers ? diffusers_config(backbone)
                                                                   : lumina_arguments(backbone);
    write_file_atomically(out.files.back(), json.dump(2) + "\n");
  }
  return out;
}

}  // namespace medaug
