// SPDX-License-Identifier: MIT
#include "evaluation/segmenter.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/load.h"
#include "config/concat.h"
#include "evaluation/in_parts.h"
#include "training/batch_gradients.h"
#include "training/budget.h"
#include "training/optimizer.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using at::Tensor;

constexpr const char* kFormat = "medaug-segmenter-1";
constexpr std::size_t kBatch = 64;
constexpr std::int64_t kLooks = 20;  // at the held-out images

/// (N) loss of each image. @param logits, masks (N, K, H, W)
Tensor segmentation_loss(const Tensor& logits_in, const Tensor& masks) {
  const auto logits = logits_in.to(at::kFloat);
  const auto p = logits.sigmoid();
  const auto both = (p * masks).sum({2, 3}), all = p.sum({2, 3}) + masks.sum({2, 3});
  const auto dice_loss = (1.0 - (2.0 * both + 1.0) / (all + 1.0)).mean(1);
  const auto entropy =
      at::binary_cross_entropy_with_logits(logits, masks, {}, {}, at::Reduction::None)
          .flatten(1)
          .mean(1);
  return dice_loss + entropy;
}

/// Gradients of the mean loss of the images that have a mask. @return that loss
double segmenter_gradients(const UNet& net, const Batch& batch) {
  const double weight = 1.0 / std::max(1.0, batch.mask_present.sum().item<double>());
  const auto loss = batch_gradients(
      net.parameters(), {batch.images.size(0), batch.images.device(), weight},
      [&](nn::Share share) {
        const auto rows = [&](const Tensor& x) { return x.narrow(0, share.begin, share.count); };
        const auto each = segmentation_loss(net.forward(rows(batch.images)), rows(batch.masks));
        return (each * rows(batch.mask_present)).sum();
      });
  return loss * weight;
}

/// Records that have a mask.
std::vector<std::int64_t> masked_records(const Dataset& data) {
  std::vector<std::int64_t> records;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    if (data.has_mask(i)) {
      records.push_back(i);
    }
  }
  if (records.empty()) {
    throw Error(ErrorCode::kData, "segmenter", "no image of this data set has a mask",
                "give mask_path in the manifest");
  }
  return records;
}

double mean_dice(const Segmenter& segmenter, const Dataset& data,
                 std::span<const std::int64_t> records) {
  std::vector<Tensor> dice;
  for (std::size_t begin = 0; begin < records.size(); begin += kBatch) {
    std::vector<Tensor> images, masks;
    for (const auto i : records.subspan(begin, std::min(kBatch, records.size() - begin))) {
      images.push_back(data.image(i));
      masks.push_back(data.mask(i));
    }
    dice.push_back(class_dice(segmenter.probabilities(at::stack(images)), at::stack(masks)));
  }
  const double mean = at::cat(dice).nanmean().item<double>();
  return std::isnan(mean) ? 0.0 : mean;
}

/// @param size  width and levels that are wished for
UNetOptions net_options(const PreprocessOptions& preprocess, const SegmenterOptions& size) {
  UNetOptions net;
  net.in_channels = preprocess.channels;
  net.classes = preprocess.mask_classes;
  net.width = size.width;
  net.levels = size.levels;
  // Instance norm needs some places to norm over: on a single one nothing would be left.
  const auto side = std::min(preprocess.height(), preprocess.width());
  while (net.levels > 2 && side >> (net.levels - 1) < 4) {
    --net.levels;
  }
  return net;
}

/// The learning rate as the trainer makes it.
TrainingOptions rate_options(const SegmenterOptions& o) {
  TrainingOptions rate;
  rate.learning_rate = o.learning_rate;
  rate.warmup_steps = o.steps / 20;
  rate.schedule = Schedule::kCosine;
  rate.final_lr_ratio = 0.01;
  return rate;
}

/// @param start  none = random weights
std::shared_ptr<UNet> first_net(const UNetOptions& layout, std::uint64_t seed,
                                const Segmenter* start) {
  if (start == nullptr) {
    return std::make_shared<UNet>(layout, seed);
  }
  auto net = std::make_shared<UNet>(layout, std::nullopt);
  SafetensorsFile weights;
  for (const auto& [name, tensor] : all_tensors(start->network())) {
    weights.tensors.emplace(name, tensor);
  }
  copy_into(all_tensors(*net), weights);
  return net;
}

/// One training.
class Training {
 public:
  Training(const std::shared_ptr<const Dataset>& train, const Dataset& val,
           const PreprocessOptions& preprocess, const SegmenterOptions& options,
           const Segmenter* start)
      : train_(train),
        val_(val),
        options_(options),
        info_{net_options(preprocess, options), preprocess, Json::object()},
        held_out_(masked_records(val)),
        net_(first_net(info_.net, options.seed, start)),
        optimizer_(nn::named_parameters(*net_),
                   {.beta2 = 0.99, .weight_decay = options.weight_decay}, at::kBFloat16, 1) {
    masked_records(*train);
    progress_.steps = options.steps;
  }

  void run(const std::function<bool(const SegmenterProgress&)>& on_step);
  Segmenter finish();

 private:
  void step(const Batch& batch);
  void look();

  std::shared_ptr<const Dataset> train_;
  const Dataset& val_;
  SegmenterOptions options_;
  SegmenterInfo info_;
  std::vector<std::int64_t> held_out_;
  std::shared_ptr<UNet> net_;
  AdamW optimizer_;
  SegmenterProgress progress_;
  double best_dice_ = 0.0;
  std::int64_t best_step_ = 0;
  NamedTensors best_;  ///< the average of the weights there
};

void Training::run(const std::function<bool(const SegmenterProgress&)>& on_step) {
  Loader loader(train_, {.batch_size = options_.batch_size,
                         .num_workers = 1,
                         .seed = options_.seed,
                         .augment = options_.augment});
  const auto look_every = std::max<std::int64_t>(1, options_.steps / kLooks);
  bool go_on = true;
  while (go_on && progress_.step < options_.steps) {
    step(loader.next().front());
    if (progress_.step % look_every == 0 || progress_.step == options_.steps) {
      look();
    }
    go_on = !on_step || on_step(progress_);
  }
  if (best_.empty()) {
    look();
  }
}

void Training::step(const Batch& batch) {
  progress_.loss = segmenter_gradients(*net_, batch);
  if (!std::isfinite(progress_.loss)) {
    throw Error(ErrorCode::kNumeric, "segmenter",
                concat({"the loss is not a finite number any more (step ",
                        std::to_string(progress_.step), ")"}),
                "lower the learning rate: --learning-rate");
  }
  const double rate =
      learning_rate_at(rate_options(options_), progress_.step,
                       static_cast<double>(progress_.step) / static_cast<double>(options_.steps));
  const double keep = std::exp2(-static_cast<double>(options_.batch_size) / options_.half_life);
  optimizer_.step(rate, clip_scale(optimizer_.gradient_norm(), 1.0),
                  {progress_.step == 0 ? 0.0 : keep});
  optimizer_.clear_gradients();
  ++progress_.step;
}

void Training::look() {
  optimizer_.use_average(0);
  progress_.held_out_dice = mean_dice(Segmenter(info_, net_), val_, held_out_);
  optimizer_.use_average(-1);
  if (progress_.held_out_dice < best_dice_) {
    return;
  }
  best_dice_ = progress_.held_out_dice;
  best_step_ = progress_.step;
  best_.clear();
  for (const auto& [name, tensor] : optimizer_.weights(0)) {
    best_.emplace_back(name, tensor.clone());
  }
}

Segmenter Training::finish() {
  info_.training = {{"options", to_json(options_)},
                    {"augment", to_json(options_.augment)},
                    {"seed", options_.seed},
                    {"train_images", train_->size()},
                    {"train_hash", train_->content_hash()},
                    {"val_images", held_out_.size()},
                    {"val_hash", val_.content_hash()},
                    {"steps", progress_.step},
                    {"held_out_dice", best_dice_},
                    {"best_step", best_step_}};
  auto kept = std::make_shared<UNet>(info_.net, std::nullopt);
  SafetensorsFile file;
  file.tensors.insert(best_.begin(), best_.end());
  copy_into(all_tensors(*kept), file);
  return {info_, std::move(kept)};
}

}  // namespace

Tensor class_dice(const Tensor& probabilities, const Tensor& masks) {
  MEDAUG_ASSERT(probabilities.sizes() == masks.sizes());
  const auto predicted = probabilities.ge(0.5), wanted = masks.ge(0.5);
  const auto count = [](const Tensor& x) { return x.sum({2, 3}).to(at::kDouble); };
  const auto both = count(predicted.logical_and(wanted));
  const auto want = count(wanted);
  const auto dice = 2.0 * both / (count(predicted) + want);
  return at::where(want > 0.0, dice, std::numeric_limits<double>::quiet_NaN());
}

Segmenter::Segmenter(SegmenterInfo info, std::shared_ptr<UNet> net)
    : info_(std::move(info)), net_(std::move(net)) {
  net_->eval();
}

Segmenter Segmenter::load(const fs::path& path) {
  constexpr const char* kHint =
      "make one: medaug segmenter train --data TRAIN.jsonl --val VAL.jsonl --output "
      "FILE.safetensors";
  if (std::error_code ignored; !fs::exists(path, ignored)) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "there is no such segmenter", kHint);
  }
  const auto file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat ||
      !file.metadata.contains("medaug")) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "is no segmenter of medaug", kHint);
  }
  try {
    const auto json = Json::parse(file.metadata.at("medaug"));
    SegmenterInfo info;
    info.preprocess = from_json<PreprocessOptions>(json.at("preprocess"), path.string());
    const auto size = from_json<SegmenterOptions>(json.at("net"), path.string());
    info.net = net_options(info.preprocess, size);
    info.training = json.at("training");
    require_finite(file);
    auto unet = std::make_shared<UNet>(info.net, std::nullopt);
    copy_into(all_tensors(*unet), file);
    Segmenter segmenter(std::move(info), std::move(unet));
    segmenter.hash_ = sha256_file(path);
    return segmenter;
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kCheckpoint, path.string(), e.what());
  }
}

void Segmenter::save(const fs::path& path) const {
  Json json;
  json["net"] = {{"width", info_.net.width}, {"levels", info_.net.levels}};
  json["preprocess"] = to_json(info_.preprocess);
  json["training"] = info_.training;
  write_safetensors(path, all_tensors(*net_), {{"format", kFormat}, {"medaug", json.dump()}});
}

Tensor Segmenter::probabilities(const Tensor& images) const {
  return in_parts(images, kBatch,
                  [this](const Tensor& x) { return net_->forward(x).to(at::kFloat).sigmoid(); });
}

Tensor Segmenter::features(const Tensor& images) const {
  return in_parts(images, kBatch, [this](const Tensor& x) { return net_->features(x); });
}

Segmenter train_segmenter(const std::shared_ptr<const Dataset>& train, const Dataset& val,
                          const PreprocessOptions& preprocess, const SegmenterOptions& options,
                          const std::function<bool(const SegmenterProgress&)>& on_step,
                          const Segmenter* start) {
  Training training(train, val, preprocess, options, start);
  training.run(on_step);
  return training.finish();
}

}  // namespace medaug
