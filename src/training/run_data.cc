// SPDX-License-Identifier: MIT
#include "training/run_data.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "data/buckets.h"
#include "data/manifest.h"

namespace medaug {
namespace {

Manifest read(const std::filesystem::path& path, const DataOptions& options) {
  ManifestOptions manifest;
  manifest.root = options.root;
  manifest.allow_outside = options.allow_outside;
  return read_manifest(path, manifest);
}

void validate_pictures(const GeneratorOptions& options, const PreprocessOptions& preprocess) {
  const auto token = options.dit.patch_size * options.downscale;
  if (preprocess.buckets && kBucketUnit % token != 0) {
    throw Error(
        ErrorCode::kConfig, "data.buckets",
        "the sides of buckets are multiples of 16 pixels, and a token of this network has " +
            std::to_string(token),
        "leave buckets out, or choose a patch_size that divides 16");
  }
  validate_size(options, preprocess.height(), preprocess.width(), "data");
}

}  // namespace

std::pair<Manifest, Manifest> split_by_group(const Manifest& all, double fraction,
                                             std::uint64_t seed) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < all.records.size(); ++i) {
    const auto& record = all.records[i];
    groups[record.group.empty() ? "line " + std::to_string(record.line) : record.group].push_back(
        i);
  }
  std::vector<const std::vector<std::size_t>*> members;  // in order of name
  for (const auto& [name, indices] : groups) {
    members.push_back(&indices);
  }
  const auto wanted = fraction * static_cast<double>(all.records.size());
  std::vector<bool> out(all.records.size());
  double held = 0.0;
  auto left = std::ssize(members);
  for (const auto place :
       permutation(std::ssize(members), RandomStream(seed, Purpose::kShuffle, UINT64_MAX))) {
    if (fraction <= 0.0 || held >= wanted || left == 1) {
      break;
    }
    for (const auto index : *members[static_cast<std::size_t>(place)]) {
      out[index] = true;
      held += 1.0;
    }
    --left;
  }
  std::pair<Manifest, Manifest> parts{all, all};
  parts.first.records.clear();
  parts.second.records.clear();
  for (std::size_t i = 0; i < out.size(); ++i) {
    (out[i] ? parts.second : parts.first).records.push_back(all.records[i]);
  }
  return parts;
}

std::pair<Manifest, Manifest> read_manifests(const RunConfig& config) {
  auto train = read(train_manifest(config), config.data);
  if (const auto path = val_manifest(config); !path.empty()) {
    return {std::move(train), read(path, config.data)};
  }
  if (config.data.val_fraction > 0.0) {
    return split_by_group(train, config.data.val_fraction,
                          static_cast<std::uint64_t>(config.training.seed));
  }
  return {std::move(train), Manifest{}};
}

RunData load_run_data(const RunConfig& config, const std::pair<Manifest, Manifest>& manifests) {
  RunData data;
  data.preprocess = config.preprocess;
  const auto threads = static_cast<int>(config.data.num_workers);
  const auto& [train, val] = manifests;
  if (val_manifest(config).empty() && config.data.val_fraction > 0.0) {
    log_info(std::to_string(val.records.size()) + " of " +
             std::to_string(train.records.size() + val.records.size()) +
             " records are held out for validation (data.val_fraction), whole groups");
  }
  if (val.records.empty()) {
    log_warning(
        "nothing is held out: losses are those of training, and the last model is the best");
  }
  data.train = Dataset::load(train, data.preprocess, threads, config.data.max_bad_fraction);
  if (!val.records.empty()) {
    auto same = data.preprocess;  // channels and depth are those of the training images
    data.val = Dataset::load(val, same, threads, config.data.max_bad_fraction);
  }
  return data;
}

FlowOptions settled_flow(FlowOptions flow, const RunData& run) {
  const auto& data = *run.train;
  constexpr std::int64_t kMost = 2000;  // images: more change nothing in the third digit
  const auto stride = std::max<std::int64_t>(1, data.size() / kMost);
  at::Tensor sum, squares;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < data.size(); i += stride, ++count) {
    const auto image = data.image(i).to(at::kDouble).flatten(1);  // (C, H W)
    const auto mean = image.mean(1), square = image.square().mean(1);
    sum = sum.defined() ? sum + mean : mean;
    squares = squares.defined() ? squares + square : square;
  }
  const auto mean = sum / static_cast<double>(count);
  const auto variance = squares / static_cast<double>(count) - mean.square();
  flow.data_mean.assign(mean.const_data_ptr<double>(),
                        mean.const_data_ptr<double>() + mean.numel());
  if (!flow.time_mean) {
    const auto pixels = static_cast<double>(run.preprocess.height() * run.preprocess.width());
    flow.time_mean = time_mean_for(std::sqrt(pixels), flow.noise_scale);
  }
  flow.data_std = std::max(0.01, std::sqrt(variance.mean().item<double>()));
  return flow;
}

std::vector<std::string> captions_of(const Dataset& data) {
  std::vector<std::string> captions;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    captions.push_back(data.record(i).caption);
  }
  return captions;
}

std::vector<std::string> example_captions(const Dataset& data) {
  std::vector<std::string> examples;
  for (std::int64_t i = 0; i < data.size() && examples.size() < 12;
       i += std::max<std::int64_t>(1, data.size() / 12)) {
    examples.push_back(data.record(i).caption);
  }
  return examples;
}

GeneratorOptions model_options(const RunConfig& config, const PreprocessOptions& preprocess,
                               std::int64_t vocabulary) {
  GeneratorOptions options{config.model, config.text, vocabulary};
  options.dit.in_channels = options.dit.out_channels = preprocess.channels;
  options.dit.mask_classes = preprocess.mask_classes;
  options.dit.caption_dim = config.text.dim;
  options.dit.augment_features = kAugmentFeatures;
  validate(options.dit, "model");
  validate_pictures(options, preprocess);
  return options;
}

GeneratorOptions latent_options(GeneratorOptions base, const PreprocessOptions& preprocess) {
  if (base.downscale > 1 && preprocess.channels != 3) {
    throw Error(ErrorCode::kConfig, "data.channels",
                "the autoencoder takes colour pictures, and these have " +
                    std::to_string(preprocess.channels) + " channel",
                "set data.channels=3: grey is repeated");
  }
  if (base.dit.mask_classes == 0) {
    base.dit.mask_classes = preprocess.mask_classes;
  }
  validate_pictures(base, preprocess);
  return base;
}

}  // namespace medaug
