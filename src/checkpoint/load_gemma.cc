// SPDX-License-Identifier: MIT
#include "checkpoint/load_gemma.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"
#include "checkpoint/config_json.h"
#include "checkpoint/load.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

using Shape = std::vector<std::int64_t>;
using Layout = std::map<std::string, Shape>;

constexpr const char* kPrefix = "model.";
constexpr const char* kHead = "lm_head.weight";

/// Under the names of the source: a model with a head on top keeps the bare one under "model.".
Layout layout_in(const TensorSource& source, const GemmaOptions& options, std::string& prefix) {
  const auto bare = gemma_layout(options);
  prefix = source.contains(kPrefix + std::string("embed_tokens.weight")) ? kPrefix : "";
  Layout layout;
  for (const auto& [name, shape] : bare) {
    layout.emplace(prefix + name, shape);
  }
  layout.emplace(kHead, Shape{options.vocab_size, options.hidden_size});
  return layout;
}

/// Every tensor of the source is one of the network's, with its shape.
void check_all_known(const TensorSource& source, const Layout& layout) {
  for (const auto& [name, entry] : source.entries()) {
    const auto known = layout.find(name);
    if (known == layout.end()) {
      throw Error(ErrorCode::kCheckpoint, source.where(name), "is not part of a Gemma of this size",
                  "weights and config.json are of different models");
    }
    if (known->second != entry.shape) {
      throw Error(ErrorCode::kCheckpoint, source.where(name),
                  "has shape " + shape_text(entry.shape) + ", config.json needs " +
                      shape_text(known->second),
                  "weights and config.json are of different models");
    }
    if (!c10::isFloatingType(scalar_type(entry)) || entry.dtype == "F64") {
      throw Error(ErrorCode::kCheckpoint, source.where(name), "is " + entry.dtype,
                  "allowed: F32, F16, BF16; quantised weights are not read");
    }
  }
}

/// "layers.17 and norm.weight": what is left out, layers as a whole.
std::string not_needed(const TensorSource& source, const std::set<std::string>& needed) {
  std::set<std::string> names;
  for (const auto& [name, entry] : source.entries()) {
    if (!needed.contains(name)) {
      const auto layer = name.find("layers.");
      const auto end = layer == std::string::npos ? layer : name.find('.', layer + 7);
      names.insert(name.substr(0, end));
    }
  }
  return join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

}  // namespace

GemmaOptions read_gemma_options(const fs::path& folder) {
  const auto path = folder / "config.json";
  return gemma_options_from_json(read_config_json(path), printable(path.string(), 1000));
}

std::string require_gemma(const TensorSource& source, const GemmaOptions& options) {
  std::string prefix;
  check_all_known(source, layout_in(source, options, prefix));
  for (const auto& item : Gemma(options, std::nullopt, at::kMeta).named_parameters()) {
    source.entry(prefix + item.key());
  }
  return prefix;
}

void verify_gemma(const TensorSource& source, const GemmaOptions& options) {
  require_gemma(source, options);
  for (const auto& [name, entry] : source.entries()) {
    require_finite(source.read(name), source.where(name));
  }
}

std::shared_ptr<Gemma> load_gemma(const fs::path& folder, at::Device device, at::ScalarType dtype) {
  const auto options = read_gemma_options(folder);
  return load_gemma(TensorSource::open(folder), options, device, dtype);
}

std::shared_ptr<Gemma> load_gemma(const TensorSource& source, const GemmaOptions& options,
                                  at::Device device, at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kBFloat16) {
    throw Error(ErrorCode::kInvalidArgument, "dtype",
                std::string("of the text encoder is ") + c10::toString(dtype),
                "allowed: Float, BFloat16 (its activations go beyond the range of Half)");
  }
  const auto prefix = require_gemma(source, options);
  // Undefined memory that nobody has touched takes no room; each tensor is then replaced.
  auto model = std::make_shared<Gemma>(options, std::nullopt);
  std::set<std::string> needed;
  for (auto& item : model->named_parameters()) {
    item.value().set_data(source.read(prefix + item.key()).to(device, dtype));
    needed.insert(prefix + item.key());
  }
  const auto left = not_needed(source, needed);
  log_info(printable(source.path().string(), 1000) + ": read " + std::to_string(needed.size()) +
           " tensors of the text encoder" + (left.empty() ? "" : "; not needed: " + left));
  return model;
}

std::string gemma_hash(const fs::path& folder,
                       const std::function<std::string(const fs::path&)>& hash_of) {
  auto files = TensorSource::open(folder).files();
  files.push_back(folder / "config.json");
  std::string all;
  for (const auto& file : files) {
    all += hash_of(file) + "\n";
  }
  return sha256(all);
}

}  // namespace medaug
