// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

namespace medaug {

/// Which of the two sets of weights of a training run: as trained, or their running average.
enum class WeightsChoice { kEmaIfThere, kEma, kRaw };

/// The files of a backbone.
struct BackboneFiles {
  std::filesystem::path weights;  ///< a safetensors file, or an index of several (.index.json)
  std::filesystem::path config;   ///< config.json or model_args.json beside them; empty = none
  bool ema = false;
};

/// Whether this is a place for `find_backbone`: a folder with files of Lumina-Next's or diffusers'
/// names, or a file of one. Reads names only.
bool looks_like_backbone(const std::filesystem::path& path);

/// Finds the weights of a NextDiT in
/// - a folder of Lumina-Next or RetinaLogos (consolidated[_ema].00-of-01.safetensors),
/// - a folder of diffusers (diffusion_pytorch_model*.safetensors, in one file or several, or the
///   `transformer/` of a whole pipeline), or what `medaug convert` wrote (model.safetensors),
/// - a single .safetensors file, or an index of several.
/// @throws Error kCheckpoint when there is none (.pth files only: the hint converts them), when it
/// is not clear which is meant, when parts are missing, or when there is no EMA and it is asked for
BackboneFiles find_backbone(const std::filesystem::path& path,
                            WeightsChoice choice = WeightsChoice::kEmaIfThere);

/// How to convert a .pth file of tensors: a command for where Python and PyTorch are.
std::string pickle_hint(const std::filesystem::path& pickle);

}  // namespace medaug
