// SPDX-License-Identifier: MIT
#include "evaluation/segmenter.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/load.h"
#include "evaluation/in_parts.h"
#include "nn/team.h"
#include "training/optimizer.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using at::Tensor;

constexpr const char* kFormat = "medaug-segmenter-1";
constexpr std::int64_t kBatch = 64;

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

/// Gradients of the mean loss into the parameters. @return the mean loss
double segmenter_gradients(const UNet& net, const Batch& batch) {
  const auto n = batch.images.size(0);
  const double weight = 1.0 / std::max(1.0, batch.mask_present.sum().item<double>());
  const auto parameters = net.parameters();
  const int team = nn::team_size(n, batch.images.device());
  std::vector<torch::autograd::variable_list> gradients(static_cast<std::size_t>(team));
  std::vector<double> losses(static_cast<std::size_t>(team));
  nn::run_team(team, n, [&](int part, nn::Share share) {
    const at::AutoGradMode with_gradients(true);
    const auto rows = [&](const Tensor& x) { return x.narrow(0, share.begin, share.count); };
    const auto loss = (segmentation_loss(net.forward(rows(batch.images)), rows(batch.masks)) *
                       rows(batch.mask_present))
                          .sum() *
                      weight;
    gradients[static_cast<std::size_t>(part)] = torch::autograd::grad({loss}, parameters);
    losses[static_cast<std::size_t>(part)] = loss.item<double>();
  });
  double loss = 0.0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto sum = gradients.front()[i];
    for (std::size_t part = 1; part < gradients.size(); ++part) {
      sum = sum + gradients[part][i];
    }
    Tensor(parameters[i]).mutable_grad() = sum;
  }
  for (const double one : losses) {
    loss += one;
  }
  return loss;
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

/// Their images and masks.
std::pair<Tensor, Tensor> masked_images(const Dataset& data) {
  std::vector<Tensor> images, masks;
  for (const auto i : masked_records(data)) {
    images.push_back(data.image(i));
    masks.push_back(data.mask(i));
  }
  return {at::stack(images), at::stack(masks)};
}

double mean_dice(const Tensor& dice) {
  const double mean = dice.nanmean().item<double>();
  return std::isnan(mean) ? 0.0 : mean;
}

UNetOptions net_options(const PreprocessOptions& preprocess, const SegmenterOptions& options) {
  UNetOptions net;
  net.in_channels = preprocess.channels;
  net.classes = preprocess.mask_classes;
  net.width = options.width;
  net.levels = options.levels;
  const auto fits = [&](std::int64_t side) { return side % (1LL << (net.levels - 1)) == 0; };
  while (net.levels > 2 && !(fits(preprocess.height()) && fits(preprocess.width()))) {
    --net.levels;
  }
  return net;
}

/// Rises over a twentieth of the steps, then falls by half a cosine.
double learning_rate(const SegmenterOptions& o, std::int64_t step) {
  const double warm = std::max(1.0, static_cast<double>(o.steps) / 20.0);
  const double rise = std::min(1.0, static_cast<double>(step + 1) / warm);
  const double progress = static_cast<double>(step) / static_cast<double>(o.steps);
  return o.learning_rate * rise * schedule_factor(Schedule::kCosine, progress, 0.01);
}

}  // namespace

Tensor class_dice(const Tensor& probabilities, const Tensor& masks) {
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
  const auto file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat ||
      !file.metadata.contains("medaug")) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "is no segmenter of medaug",
                "make one: medaug segmenter train --data TRAIN.jsonl --output FOLDER");
  }
  try {
    const auto json = Json::parse(file.metadata.at("medaug"));
    SegmenterInfo info;
    info.preprocess = from_json<PreprocessOptions>(json.at("preprocess"), path.string());
    const auto& net = json.at("net");
    info.net = {net.at("in_channels").get<std::int64_t>(), net.at("classes").get<std::int64_t>(),
                net.at("width").get<std::int64_t>(), net.at("levels").get<std::int64_t>()};
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
  json["net"] = {{"in_channels", info_.net.in_channels},
                 {"classes", info_.net.classes},
                 {"width", info_.net.width},
                 {"levels", info_.net.levels}};
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
                          const std::function<bool(const SegmenterProgress&)>& on_step) {
  SegmenterInfo info{net_options(preprocess, options), preprocess, Json::object()};
  const auto [val_images, val_masks] = masked_images(val);
  masked_records(*train);
  auto net = std::make_shared<UNet>(info.net, options.seed);
  AdamW optimizer(all_tensors(*net), {.beta2 = 0.99, .weight_decay = options.weight_decay},
                  at::kBFloat16, 1);
  Loader loader(train, {.batch_size = options.batch_size,
                        .num_workers = 1,
                        .seed = options.seed,
                        .augment = options.augment});
  const double keep = std::exp2(-static_cast<double>(options.batch_size) / options.half_life);
  const std::int64_t look_every = std::max<std::int64_t>(1, options.steps / 20);
  NamedTensors best;
  double best_dice = -1.0;
  std::int64_t best_step = 0;
  SegmenterProgress progress{0, options.steps, 0.0, 0.0};
  bool go_on = true;
  for (std::int64_t step = 0; step < options.steps && go_on; ++step) {
    progress.loss = segmenter_gradients(*net, loader.next());
    if (!std::isfinite(progress.loss)) {
      throw Error(ErrorCode::kNumeric, "segmenter",
                  "the loss is not a finite number any more (step " + std::to_string(step) + ")",
                  "lower the learning rate with --set learning_rate=...");
    }
    optimizer.step(learning_rate(options, step), clip_scale(optimizer.gradient_norm(), 1.0),
                   {step == 0 ? 0.0 : keep});
    optimizer.clear_gradients();
    progress.step = step + 1;
    if (progress.step % look_every == 0 || progress.step == options.steps) {
      optimizer.use_average(0);
      const Segmenter now(info, net);
      progress.held_out_dice = mean_dice(class_dice(now.probabilities(val_images), val_masks));
      optimizer.use_average(-1);
      if (progress.held_out_dice > best_dice) {
        best_dice = progress.held_out_dice;
        best_step = progress.step;
        best.clear();
        for (const auto& [name, tensor] : optimizer.weights(0)) {
          best.emplace_back(name, tensor.clone());
        }
      }
    }
    go_on = !on_step || on_step(progress);
  }
  info.training = {{"options", to_json(options)},      {"seed", options.seed},
                   {"train_images", train->size()},    {"train_hash", train->content_hash()},
                   {"val_images", val_images.size(0)}, {"val_hash", val.content_hash()},
                   {"held_out_dice", best_dice},       {"best_step", best_step}};
  auto kept = std::make_shared<UNet>(info.net, std::nullopt);
  SafetensorsFile file;
  for (auto& [name, tensor] : best.empty() ? optimizer.weights(0) : best) {
    file.tensors.emplace(name, tensor.to(at::kFloat));
  }
  copy_into(all_tensors(*kept), file);
  return {std::move(info), std::move(kept)};
}

}  // namespace medaug
