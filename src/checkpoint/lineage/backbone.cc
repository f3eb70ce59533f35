// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/backbone.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/lineage/key_map.h"
#include "checkpoint/load.h"
#include "checkpoint/safetensors.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFirst = "layers.0.attention.wq.weight";

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

std::string where_of(const fs::path& file, const std::string& tensor) {
  return shown(file) + ": tensor '" + printable(tensor) + "'";
}

bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

/// What a file without a NextDiT seems to be.
std::string guess(const TensorSource& source) {
  const auto has = [&](const char* name) { return source.contains(name); };
  if (has("model.embed_tokens.weight") || has("embed_tokens.weight")) {
    return "this seems to be a language model (Gemma?)";
  }
  if (has("encoder.conv_in.weight") && has("decoder.conv_in.weight")) {
    return "this seems to be the autoencoder of a latent model";
  }
  if (has("noise_refiner.0.attention.to_q.weight") || has("noise_refiner.0.attn.to_q.weight") ||
      has("noise_refiner.0.attention.qkv.weight")) {
    return "this seems to be Lumina-Image-2.0, which is another network";
  }
  return "give weights of Lumina-Next, RetinaLogos, or LuminaNextDiT2DModel of diffusers";
}

void check_entry(const TensorSource& source, const std::string& name,
                 const std::vector<std::int64_t>& shape, const NextDiTOptions& options) {
  const auto& tensor = source.entry(name);
  if (tensor.shape != shape) {
    throw Error(
        ErrorCode::kCheckpoint, source.where(name),
        "has shape " + shape_text(tensor.shape) + ", this network needs " + shape_text(shape),
        "it does not go with the other tensors (" + configuration_name(options) + ")");
  }
  if (!weight_scalar_type(tensor.dtype)) {
    throw Error(ErrorCode::kCheckpoint, source.where(name), "is of dtype " + tensor.dtype,
                "weights are F32, BF16 or F16");
  }
}

NextDiTOptions described_options(const Json& description, const fs::path& file) {
  try {
    auto options = from_json<NextDiTOptions>(description.at("model"), shown(file));
    validate(options, "model");
    return options;
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::kCheckpoint, shown(file),
                std::string("its description is damaged: ") + e.what());
  } catch (const Error& e) {
    throw Error(ErrorCode::kCheckpoint, shown(file), e.what());
  }
}

}  // namespace

std::optional<at::ScalarType> weight_scalar_type(std::string_view dtype) {
  if (dtype == "F32") {
    return at::kFloat;
  }
  if (dtype == "BF16") {
    return at::kBFloat16;
  }
  return dtype == "F16" ? std::optional(at::kHalf) : std::nullopt;
}

void ImportedBackbone::find_layout() {
  const auto has = [&](const std::string& name) { return source_->contains(name); };
  if (has(kFirst)) {
    layout_ = BackboneLayout::kLumina;
  } else if (has(diffusers_keys(kFirst).front())) {
    layout_ = BackboneLayout::kDiffusers;
  } else if (has(std::string(kBackbonePrefix) + kFirst)) {
    layout_ = BackboneLayout::kMedaug;
  } else {
    throw Error(ErrorCode::kCheckpoint, shown(files_.weights), "holds no NextDiT", guess(*source_));
  }
}

void ImportedBackbone::take_lumina_or_diffusers(const ImportOptions& options) {
  TensorShapes shapes;
  for (const auto& [name, entry] : source_->entries()) {
    const auto ours =
        layout_ == BackboneLayout::kDiffusers ? lumina_key(name) : std::optional(name);
    if (!ours) {
      throw Error(ErrorCode::kCheckpoint, source_->where(name), "is not part of a NextDiT",
                  "LuminaNextDiT2DModel of diffusers has no such tensor");
    }
    stored_names_[*ours].push_back(name);
    shapes[*ours] = entry.shape;
  }
  const auto known = known_from_config(files_.config, options.known);
  options_ = options_from_shapes(shapes, known, shown(files_.weights));
  check_config(files_.config, options_);
  sample_size_ = known.sample_size;
}

void ImportedBackbone::take_medaug() {
  const auto metadata = source_->metadata();
  const auto found = metadata.find("medaug");
  if (found == metadata.end()) {
    throw Error(ErrorCode::kCheckpoint, shown(files_.weights),
                "has tensors of medaug but no description", "it is not as medaug wrote it");
  }
  description_ = parse_json(found->second, shown(files_.weights) + ": description",
                            {.code = ErrorCode::kCheckpoint});
  options_ = described_options(description_, files_.weights);
  if (description_.contains("sample_size") && description_["sample_size"].is_number_integer()) {
    sample_size_ = description_["sample_size"].get<std::int64_t>();
  }
  const std::string prefix = kBackbonePrefix;
  for (const auto& [name, entry] : source_->entries()) {
    if (name.starts_with(prefix)) {
      stored_names_[name.substr(prefix.size())].push_back(name);
    } else {
      others_.push_back(name);
    }
  }
}

/// The stored names of one tensor of the network: as many as its layout has, each with its shape.
void ImportedBackbone::plan_one(const std::string& name, const std::vector<std::int64_t>& shape) {
  const auto wanted =
      layout_ == BackboneLayout::kDiffusers ? diffusers_keys(name) : std::vector<std::string>{name};
  const auto& stored = stored_names_[name];
  if (stored.size() < wanted.size()) {
    const auto missing = std::find_if(wanted.begin(), wanted.end(), [&](const auto& one) {
      return std::find(stored.begin(), stored.end(), one) == stored.end();
    });
    throw Error(ErrorCode::kCheckpoint, where_of(files_.weights, *missing), "is missing",
                "the file is not whole, or of another network");
  }
  if (stored.size() > wanted.size()) {
    throw Error(ErrorCode::kCheckpoint, source_->where(stored.back()),
                "stands there under another name, too", "one of them must go");
  }
  for (const auto& one : stored) {
    check_entry(*source_, one, shape, options_);
    const auto& entry = source_->entry(one);
    ++stored_tensors_;
    stored_bytes_ += entry.end - entry.begin;
    stored_parameters_ += (entry.end - entry.begin) / dtype_bytes(entry.dtype);
  }
  tensors_.push_back({name, source_->entry(stored.front()).dtype, shape});
}

/// Every tensor of the network against the files, on the meta device: nothing is allocated.
void ImportedBackbone::plan() {
  const NextDiT network(options_, std::nullopt, at::kMeta);
  std::set<std::string> known;
  for (const auto& [name, parameter] : nn::named_parameters(network)) {
    known.insert(name);
    plan_one(name, parameter.sizes().vec());
  }
  for (const auto& [name, stored] : stored_names_) {
    if (!known.contains(name)) {
      throw Error(ErrorCode::kCheckpoint, source_->where(stored.front()),
                  "is not part of this network",
                  "the other tensors are of a NextDiT " + configuration_name(options_));
    }
  }
}

void ImportedBackbone::add_mask_planes(std::int64_t classes) {
  if (options_.mask_classes == classes) {
    return;
  }
  if (options_.mask_classes > 0) {
    throw Error(ErrorCode::kCheckpoint, shown(files_.weights),
                "has " + std::to_string(options_.mask_classes) + " mask classes already",
                "leave --mask-classes out");
  }
  options_.mask_classes = classes;
  const NextDiT network(options_, std::nullopt, at::kMeta);
  const auto dtype = tensors_.front().dtype;
  std::vector<PlannedTensor> all;
  for (const auto& [name, parameter] : nn::named_parameters(network)) {
    const auto& stored = stored_names_[name];  // none for the new ones
    const auto own = stored.empty() ? dtype : source_->entry(stored.front()).dtype;
    all.push_back({name, own, parameter.sizes().vec()});
  }
  tensors_ = std::move(all);
}

std::string ImportedBackbone::stored_dtypes() const {
  std::set<std::string> dtypes;
  for (const auto& tensor : tensors_) {
    dtypes.insert(tensor.dtype);
  }
  return join(std::vector<std::string>(dtypes.begin(), dtypes.end()), ", ");
}

std::int64_t ImportedBackbone::parameters() const {
  std::int64_t count = 0;
  for (const auto& tensor : tensors_) {
    count += planned_bytes({tensor}) / dtype_bytes(tensor.dtype);
  }
  return count;
}

at::Tensor ImportedBackbone::read(const std::string& name) const {
  const auto& stored = stored_names_.at(name);
  if (stored.empty()) {
    const auto planned = std::find_if(tensors_.begin(), tensors_.end(),
                                      [&](const auto& tensor) { return tensor.name == name; });
    return at::zeros(planned->shape, *weight_scalar_type(planned->dtype));
  }
  auto tensor = source_->read(stored.front());
  if (check_finite_) {
    require_finite(tensor, source_->where(stored.front()));
  }
  for (std::size_t i = 1; i < stored.size(); ++i) {
    if (!same_bytes(tensor, source_->read(stored[i]))) {
      throw Error(ErrorCode::kCheckpoint, source_->where(stored[i]),
                  "differs from '" + stored.front() + "'",
                  "Lumina-Next has one tensor for both: a model that diffusers trained with "
                  "separate queries cannot be converted");
    }
  }
  return tensor;
}

ImportedBackbone open_backbone(const fs::path& path, const ImportOptions& options) {
  ImportedBackbone backbone;
  backbone.files_ = find_backbone(path, options.weights);
  backbone.check_finite_ = options.check_finite;
  backbone.source_ =
      std::make_shared<const TensorSource>(TensorSource::open(backbone.files_.weights));
  backbone.find_layout();
  if (backbone.layout_ == BackboneLayout::kMedaug) {
    backbone.take_medaug();
  } else {
    backbone.take_lumina_or_diffusers(options);
  }
  backbone.plan();
  if (options.mask_classes > 0) {
    backbone.add_mask_planes(options.mask_classes);
  }
  return backbone;
}

bool is_converted_backbone(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    return false;
  }
  try {
    const auto metadata = read_safetensors_header(file).metadata;
    const auto format = metadata.find("format");
    return format != metadata.end() && format->second == kBackboneFormat;
  } catch (const Error&) {
    return false;  // whoever opens it says what is wrong
  }
}

std::shared_ptr<NextDiT> load_backbone(const ImportedBackbone& backbone, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  auto network = std::make_shared<NextDiT>(backbone.options(), std::nullopt);
  for (auto& item : network->named_parameters()) {
    item.value().set_data(backbone.read(item.key()).to(dtype));
    item.value().set_requires_grad(false);
  }
  network->eval();
  return network;
}

}  // namespace medaug
