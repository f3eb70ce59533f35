// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "checkpoint/lineage/backbone.h"
#include "checkpoint/safetensors.h"

namespace medaug {

enum class ExportDtype { kKeep, kFloat32, kBfloat16 };
template <>
struct EnumNames<ExportDtype> {
  static constexpr std::pair<ExportDtype, std::string_view> kNames[] = {
      {ExportDtype::kKeep, "keep"},
      {ExportDtype::kFloat32, "f32"},
      {ExportDtype::kBfloat16, "bf16"}};
};

struct ExportOptions {
  BackboneLayout layout = BackboneLayout::kMedaug;
  ExportDtype dtype = ExportDtype::kKeep;
  bool drop_mask = false;  ///< leave out mask planes that were trained
  /// In medaug's form: what stands in the file in place of the description of a backbone alone, and
  /// tensors that go with the weights, as they are.
  std::optional<Metadata> metadata = {};
  NamedTensors beside = {};
  /// Called after each tensor.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct ExportedBackbone {
  std::vector<std::filesystem::path> files;  ///< the weights first
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;  ///< of the tensors
};

/// The files that an export writes, the weights first.
std::vector<std::filesystem::path> export_files(BackboneLayout layout,
                                                const std::filesystem::path& folder);

/// Whether Lumina-Next's or diffusers' form can hold the network.
/// @throws Error kCheckpoint naming the option that it cannot: convolutional ends, a bottleneck,
/// shared modulation, an augment vector, trained mask planes (without `drop_mask`), a text encoder
/// of its own, a prediction other than the velocity
void require_exportable(const ImportedBackbone& backbone, const ExportOptions& options);

/// Writes a backbone into a folder, one tensor at a time; the numbers are those that were read
/// unless another dtype is asked for. Each file is replaced atomically.
/// - medaug: model.safetensors, the tensors under `dit.` and the options as metadata;
/// - lumina: consolidated.00-of-01.safetensors and model_args.json;
/// - diffusers: diffusion_pytorch_model.safetensors and config.json.
/// @throws Error as `require_exportable` and `ImportedBackbone::read`; kResource when the disk is
/// too small
ExportedBackbone export_backbone(const ImportedBackbone& backbone,
                                 const std::filesystem::path& folder, const ExportOptions& options);

}  // namespace medaug
