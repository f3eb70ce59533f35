// SPDX-License-Identifier: MIT
// diffusers' AutoencoderKL: moments, posterior samples, decoding, the stages inside, 8-bit pixels.

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <map>
#include <set>

#include "cases.h"
#include "checkpoint/load.h"
#include "models/autoencoder.h"

namespace medaug::golden {
namespace {

const char* const kFile = "io.safetensors";
const char* const kWeights = "weights.safetensors";
// Rounding to bfloat16 after each layer happens in other places than in the reference.
constexpr double kBf16Room = 2.0;

/// The first time that a stage is seen: the first image.
AutoencoderCall observing(std::map<std::string, at::Tensor>& seen) {
  AutoencoderCall call;
  call.observe = [&seen](const std::string& name, const at::Tensor& value) {
    seen.emplace(name, value.narrow(0, 0, 1));
  };
  return call;
}

/// Sizes are the names before ".pixels".
std::set<std::string> sizes_of(CaseFolder& folder) {
  const std::string end = ".pixels";
  std::set<std::string> tags;
  for (const auto& name : folder.tensors(kFile)) {
    if (name.ends_with(end)) {
      tags.insert(name.substr(0, name.size() - end.size()));
    }
  }
  return tags;
}

/// 8-bit levels of values in [-1, 1], as torchvision's to_pil_image truncates them.
at::Tensor truncated(const at::Tensor& images) {
  return (images / 2.0 + 0.5).clamp(0.0, 1.0).mul(255.0).to(at::kByte);
}

void compare_levels(CaseFolder& folder, const std::string& name, const at::Tensor& images) {
  folder.compare(kFile, name, images);
  folder.compare_if_stored(kFile, name + "_u8", truncated(images));
}

void compare_size(CaseFolder& folder, const Autoencoder& model, const std::string& tag) {
  const auto at = [&](const char* name) { return tag + "." + name; };
  std::map<std::string, at::Tensor> seen;
  const auto call = observing(seen);
  const auto pixels = folder.input(kFile, at("pixels"));
  const auto moments = model.moments(pixels, call);
  folder.compare(kFile, at("moments"), moments);
  const auto latents = posterior(moments);
  folder.compare(kFile, at("mean"), latents.mean);
  folder.compare(kFile, at("logvar"), latents.logvar);
  folder.compare(kFile, at("std"), latents.std);
  const auto z = model.encode(pixels, folder.input(kFile, at("eps")));
  folder.compare(kFile, at("z"), z);
  compare_levels(folder, at("reconstruction"), model.decode(z, call));
  compare_levels(folder, at("decoded"), model.decode(folder.input(kFile, at("latent"))));
  for (const auto& [name, value] : seen) {
    folder.compare_if_stored(kFile, tag + "." + name, value);
  }
}

double relative_rms(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).norm() / want.norm()).item<double>();
}

void compare_bfloat16(CaseFolder& folder, const Autoencoder& model, const std::string& tag) {
  const auto checks = folder.json().value("checks", Json::object());
  const auto key = tag + ".decoded bf16 vs fp32 relative rms";
  if (checks.contains(key)) {
    const auto images = model.decode(folder.stored(kFile, tag + ".latent"));
    folder.compare_bound("case.json", key,
                         relative_rms(images, folder.stored(kFile, tag + ".decoded")),
                         kBf16Room * checks.at(key).get<double>());
  }
}

void compare_pixel_map(CaseFolder& folder) {
  if (!folder.has(kFile, "pixel_map.in")) {
    return;
  }
  const auto in = folder.input(kFile, "pixel_map.in");
  folder.compare_if_stored(kFile, "pixel_map.u8", truncated(in));
  folder.compare_if_stored(kFile, "pixel_map.u8_rounded_as_diffusers",
                           (in / 2.0 + 0.5).clamp(0.0, 1.0).mul(255.0).round().to(at::kByte));
}

void compare_clamp(CaseFolder& folder) {
  if (folder.has(kFile, "clamp.moments")) {
    const auto clamped = posterior(folder.input(kFile, "clamp.moments"));
    folder.compare_if_stored(kFile, "clamp.logvar", clamped.logvar);
    folder.compare_if_stored(kFile, "clamp.std", clamped.std);
  }
}

std::int64_t count_of(const Autoencoder& model, const std::string& prefix) {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : nn::named_parameters(model)) {
    count += name.starts_with(prefix) ? tensor.numel() : 0;
  }
  return count;
}

void compare_layout(CaseFolder& folder) {
  if (!folder.json().contains("real_sdxl_config")) {
    return;
  }
  const auto options =
      autoencoder_options_from_json(folder.json().at("real_sdxl_config"), "real_sdxl_config");
  const Autoencoder model(options, std::nullopt, at::kMeta);
  const auto parameters = nn::named_parameters(model);
  const std::string file = "layout_sdxl.json";
  const auto shapes = folder.read_json(file).at("shapes");
  for (const auto& [name, tensor] : parameters) {
    if (shapes.value(name, std::vector<std::int64_t>{}) != tensor.sizes().vec()) {
      folder.fail(file, name, "is not listed, or has another shape");
    }
  }
  const auto counts = folder.json().at("checks").at("sdxl layout");
  folder.compare_counts(file, "shapes", std::ssize(parameters), std::ssize(shapes));
  folder.compare_counts(file, "tensors", std::ssize(parameters), counts.at("tensors"));
  folder.compare_counts(file, "parameters", count_of(model, ""), counts.at("parameters"));
  folder.compare_counts(file, "encoder", count_of(model, "encoder."), counts.at("encoder"));
  folder.compare_counts(file, "decoder", count_of(model, "decoder."), counts.at("decoder"));
}

}  // namespace

void run_vae_tiny(CaseFolder& folder) {
  const at::NoGradGuard no_grad;
  compare_layout(folder);
  auto config = folder.json().at("config");
  if (folder.json().contains("shift_factor")) {
    config["shift_factor"] = folder.json().at("shift_factor");
  }
  Autoencoder model(autoencoder_options_from_json(config, "config"), std::nullopt);
  folder.inputs(kWeights);
  copy_into(nn::named_parameters(model), read_safetensors(folder.folder() / kWeights));
  const auto sizes = sizes_of(folder);
  for (const auto& tag : sizes) {
    compare_size(folder, model, tag);
  }
  compare_pixel_map(folder);
  compare_clamp(folder);
  model.to(at::kBFloat16);
  for (const auto& tag : sizes) {
    compare_bfloat16(folder, model, tag);
  }
}

}  // namespace medaug::golden
