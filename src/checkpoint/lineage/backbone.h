// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "checkpoint/lineage/find.h"
#include "checkpoint/lineage/options_from.h"
#include "checkpoint/safetensors_stream.h"
#include "checkpoint/tensor_source.h"
#include "models/nextdit.h"

// Published checkpoints of NextDiT: Lumina-Next (Alpha-VLLM/Lumina-T2X) and RetinaLogos, whose
// names our network keeps, the same network in diffusers, and our own files. Opening reads headers
// only; weights come one tensor at a time.

namespace medaug {

enum class BackboneLayout { kLumina, kDiffusers, kMedaug };
template <>
struct EnumNames<BackboneLayout> {
  static constexpr std::pair<BackboneLayout, std::string_view> kNames[] = {
      {BackboneLayout::kLumina, "lumina"},
      {BackboneLayout::kDiffusers, "diffusers"},
      {BackboneLayout::kMedaug, "medaug"}};
};

struct ImportOptions {
  WeightsChoice weights = WeightsChoice::kEmaIfThere;
  /// Mask planes to add to a network that has none. Their weights are zero: until they are trained
  /// the output is bit-equal to that without them, whatever the mask.
  std::int64_t mask_classes = 0;
  KnownOptions known;
  bool check_finite = true;  ///< refuse a tensor with NaN or infinity when it is read
};

/// A backbone in its files. Copies share them. Reading is thread-safe.
class ImportedBackbone {
 public:
  const NextDiTOptions& options() const { return options_; }
  BackboneLayout layout() const { return layout_; }
  const BackboneFiles& files() const { return files_; }
  /// All tensors of a NextDiT of these options, under its names and in its order.
  const std::vector<PlannedTensor>& tensors() const { return tensors_; }
  /// What the files hold of the network: diffusers keeps two tensors of each layer twice.
  std::int64_t stored_tensors() const { return stored_tensors_; }
  std::int64_t stored_parameters() const { return stored_parameters_; }
  std::int64_t stored_bytes() const { return stored_bytes_; }
  std::string stored_dtypes() const;  ///< "F32", or "BF16, F32"
  std::int64_t parameters() const;    ///< of the network
  std::optional<std::int64_t> sample_size() const { return sample_size_; }
  /// Tensors of the file that are no part of the network (a text encoder, a tokenizer).
  const std::vector<std::string>& others() const { return others_; }
  /// What medaug's own files say of themselves; empty for the others.
  const Json& description() const { return description_; }

  /// One tensor on the CPU, as it is stored.
  /// @throws Error kCheckpoint naming the tensor: not finite, or the copies of diffusers differ
  at::Tensor read(const std::string& name) const;

 private:
  friend ImportedBackbone open_backbone(const std::filesystem::path& path,
                                        const ImportOptions& options);
  ImportedBackbone() = default;
  void find_layout();
  void take_lumina_or_diffusers(const ImportOptions& options);
  void take_medaug();
  void plan();
  void plan_one(const std::string& name, const std::vector<std::int64_t>& shape);
  void add_mask_planes(std::int64_t classes);

  BackboneFiles files_;
  BackboneLayout layout_ = BackboneLayout::kLumina;
  NextDiTOptions options_;
  std::shared_ptr<const TensorSource> source_;
  std::map<std::string, std::vector<std::string>> stored_names_;  ///< by our names
  std::vector<PlannedTensor> tensors_;
  std::vector<std::string> others_;
  std::int64_t stored_tensors_ = 0, stored_parameters_ = 0, stored_bytes_ = 0;
  std::optional<std::int64_t> sample_size_;
  Json description_ = Json::object();
  bool check_finite_ = true;
};

/// Finds, opens and checks a backbone (headers only).
/// @param path  what `find_backbone` takes, or a model file of a run
/// @throws Error kCheckpoint naming the tensor: missing, too many, of another shape, not F32, BF16
/// or F16
ImportedBackbone open_backbone(const std::filesystem::path& path,
                               const ImportOptions& options = {});

/// Whether a file is one of ours that holds a network and nothing else.
bool is_converted_backbone(const std::filesystem::path& file);

/// The network with its weights, filled one tensor at a time, without gradients.
std::shared_ptr<NextDiT> load_backbone(const ImportedBackbone& backbone, at::ScalarType dtype);

/// The dtypes that weights may have: F32, BF16, F16.
std::optional<at::ScalarType> weight_scalar_type(std::string_view dtype);

/// Marks of our own file with a network alone: `format` in its metadata, and the prefix of its
/// tensors.
inline constexpr const char* kBackboneFormat = "medaug-backbone-1";
inline constexpr const char* kBackbonePrefix = "dit.";

}  // namespace medaug
