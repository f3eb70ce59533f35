// SPDX-License-Identifier: MIT
#include "training/run_data.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "data/manifest.h"

namespace medaug {
namespace {

Manifest read(const std::filesystem::path& path, const DataOptions& options) {
  ManifestOptions manifest;
  manifest.root = options.root;
  manifest.allow_outside = options.allow_outside;
  return read_manifest(path, manifest);
}

}  // namespace

std::pair<Manifest, Manifest> split_by_group(const Manifest& all, double fraction,
                                             std::uint64_t seed) {
  std::map<std::string, std::int64_t> number;  // of each group, in order of name
  const auto group_of = [](const Record& r) {
    return r.group.empty() ? "line " + std::to_string(r.line) : r.group;
  };
  for (const auto& record : all.records) {
    number.emplace(group_of(record), 0);
  }
  std::int64_t next = 0;
  for (auto& entry : number) {
    entry.second = next++;
  }
  const auto order = permutation(next, RandomStream(seed, Purpose::kShuffle, UINT64_MAX));
  const auto held_out = static_cast<std::int64_t>(std::floor(fraction * static_cast<double>(next)));
  std::pair<Manifest, Manifest> parts{all, all};
  parts.first.records.clear();
  parts.second.records.clear();
  for (const auto& record : all.records) {
    const bool out = order[static_cast<std::size_t>(number[group_of(record)])] < held_out;
    (out ? parts.second : parts.first).records.push_back(record);
  }
  return parts;
}

Manifest read_training_manifest(const RunConfig& config) {
  return read(train_manifest(config), config.data);
}

RunData load_run_data(const RunConfig& config) {
  RunData data;
  data.preprocess = config.preprocess;
  const auto threads = static_cast<int>(config.data.num_workers);
  auto train = read_training_manifest(config);
  Manifest val;
  if (const auto path = val_manifest(config); !path.empty()) {
    val = read(path, config.data);
  } else if (config.data.val_fraction > 0.0) {
    std::tie(train, val) = split_by_group(train, config.data.val_fraction,
                                          static_cast<std::uint64_t>(config.training.seed));
    log_info(std::to_string(val.records.size()) + " of " +
             std::to_string(train.records.size() + val.records.size()) +
             " records are held out for validation (data.val_fraction), whole groups");
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
  validate_size(options.dit, preprocess.height(), preprocess.width(), "data");
  return options;
}

}  // namespace medaug
