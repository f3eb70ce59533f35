// SPDX-License-Identifier: MIT
#include "evaluation/classifier.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/load.h"
#include "evaluation/extractor.h"
#include "evaluation/in_parts.h"
#include "models/conv_layers.h"
#include "training/optimizer.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using at::Tensor;

constexpr const char* kFormat = "medaug-classifier-1";
constexpr std::int64_t kBatch = 64;
constexpr double kLeastMomentum = 0.1;  // of batch norm's running statistics

ClassifierLayout layout_of(const ClassifierInfo& info) {
  return {info.network, info.preprocess.channels, info.input_side, std::ssize(info.classes)};
}

Tensor network_input(const ImageNetwork& network, const Tensor& images, std::int64_t side) {
  return network.prepare(images, side).contiguous(at::MemoryFormat::ChannelsLast);
}

/// What the convolutions compute in while training. Measured on a processor with bfloat16
/// instructions: 1.6 times faster for ResNet-50's wide ones, slower for EfficientNet's narrow ones,
/// and the small network gains a fifth and loses accuracy.
at::ScalarType dtype_of(ClassifierNetwork network) {
  return network == ClassifierNetwork::kResNet50 ? at::kBFloat16 : at::kFloat;
}

/// The best of 1e-3, 3e-3 and more on few and on all images of two data sets, but for ResNet-50,
/// which has the rate that networks of its size are tuned with.
double usual_rate(ClassifierNetwork network) {
  switch (network) {
    case ClassifierNetwork::kEfficientNetLite0:
      return 3e-3;
    case ClassifierNetwork::kResNet50:
      return 1e-3;
    case ClassifierNetwork::kSmall:
      break;
  }
  return 1e-2;
}

/// Rises over a twentieth of the steps, then falls by half a cosine.
double learning_rate(double peak, std::int64_t step, std::int64_t steps) {
  const double warm = std::max(1.0, static_cast<double>(steps) / 20.0);
  const double rise = std::min(1.0, static_cast<double>(step + 1) / warm);
  const double progress = static_cast<double>(step) / static_cast<double>(steps);
  return peak * rise * schedule_factor(Schedule::kCosine, progress, 0.01);
}

/// The best state so far.
struct Best {
  std::int64_t step = 0, look = 0;
  ClassificationScores scores;
  NamedTensors tensors;
};

/// One training.
class Training {
 public:
  Training(const ClassifierTask& task, const ClassifierOptions& options, const Classifier* start);
  void run(const std::function<bool(const ClassifierProgress&)>& on_step);
  Classifier finish();

 private:
  void step(Loader& loader, std::int64_t number);
  void look();

  const ClassifierTask& task_;
  ClassifierOptions options_;
  ClassifierInfo info_;
  std::optional<fs::path> weights_;
  double peak_;
  LabelledImages drawn_;
  std::shared_ptr<ImageNetwork> network_;
  AdamW optimizer_;
  PartGradients gradients_;
  ClassifierProgress progress_;
  Best best_;
  Json history_ = Json::array();
};

std::shared_ptr<ImageNetwork> first_network(const ClassifierInfo& info,
                                            const ClassifierOptions& options,
                                            const std::optional<fs::path>& weights,
                                            const Classifier* start) {
  auto network = make_network(layout_of(info), options.seed);
  if (start != nullptr) {
    SafetensorsFile file;
    for (const auto& [name, tensor] : all_tensors(start->network())) {
      file.tensors.emplace(name, tensor);
    }
    copy_into(all_tensors(*network), file);
  } else if (weights) {
    load_pretrained(*network, *weights);
  }
  network->eval();
  return network;
}

NamedTensors parameters_of(const ImageNetwork& network) {
  NamedTensors out;
  for (const auto& item : network.named_parameters()) {
    out.emplace_back(item.key(), item.value());
  }
  return out;
}

ClassifierInfo info_of(const ClassifierTask& task, const ClassifierOptions& options) {
  const auto image_side = std::min(task.preprocess.height(), task.preprocess.width());
  return {options.network, classifier_side(options, image_side), task.classes, task.preprocess,
          Json::object()};
}

Training::Training(const ClassifierTask& task, const ClassifierOptions& options,
                   const Classifier* start)
    : task_(task),
      options_(options),
      info_(info_of(task, options)),
      weights_(first_weights(options)),
      peak_(options.learning_rate.value_or(usual_rate(options.network))),
      drawn_(options.balanced ? balanced(task.train, std::ssize(task.classes)) : task.train),
      network_(first_network(info_, options, weights_, start)),
      optimizer_(parameters_of(*network_), {.weight_decay = options.weight_decay}, at::kFloat),
      gradients_(network_, layout_of(info_)) {
  progress_.steps = classifier_steps(options, task.train.size());
}

void Training::step(Loader& loader, std::int64_t number) {
  const auto batch = std::move(loader.next().front());
  std::vector<std::int64_t> classes;
  for (const auto i : batch.indices) {
    classes.push_back(drawn_.classes[static_cast<std::size_t>(i)]);
  }
  // The running statistics are the mean over the first steps and follow slowly from then on.
  const double momentum = std::max(kLeastMomentum, 1.0 / static_cast<double>(number + 1));
  progress_.loss = gradients_(
      network_input(*network_, batch.images, info_.input_side).to(dtype_of(info_.network)),
      at::tensor(classes), options_.label_smoothing, momentum);
  if (!std::isfinite(progress_.loss)) {
    throw Error(ErrorCode::kNumeric, "classifier",
                "the loss is not a finite number any more (step " + std::to_string(number) + ")",
                "lower the learning rate: --learning-rate, now " + Json(peak_).dump());
  }
  optimizer_.step(learning_rate(peak_, number, progress_.steps),
                  clip_scale(optimizer_.gradient_norm(), 1.0));
  optimizer_.clear_gradients();
  progress_.step = number + 1;
}

void Training::look() {
  const Classifier now(info_, network_);
  const auto scores = scores_of(now.probabilities(*task_.val.data), task_.val.classes);
  progress_.accuracy = scores.accuracy;
  progress_.balanced_accuracy = scores.balanced_accuracy;
  history_.push_back({{"step", progress_.step},
                      {"loss", progress_.loss},
                      {"val_acc", scores.accuracy},
                      {"val_balanced_acc", scores.balanced_accuracy}});
  const bool better = scores.balanced_accuracy > best_.scores.balanced_accuracy ||
                      (scores.balanced_accuracy == best_.scores.balanced_accuracy &&
                       scores.log_loss < best_.scores.log_loss);
  if (best_.tensors.empty() || better) {
    best_ = {progress_.step, std::ssize(history_), scores, {}};
    for (const auto& [name, tensor] : all_tensors(*network_)) {
      best_.tensors.emplace_back(name, tensor.detach().clone());
    }
  }
}

void Training::run(const std::function<bool(const ClassifierProgress&)>& on_step) {
  Loader loader(drawn_.data, {.batch_size = options_.batch_size,
                              .num_workers = 1,
                              .seed = options_.seed,
                              .augment = options_.augment});
  const auto looks = std::min(options_.epochs, progress_.steps);
  std::int64_t looked = 0;
  bool go_on = true;
  for (std::int64_t number = 0; number < progress_.steps && go_on; ++number) {
    step(loader, number);
    if (progress_.step * looks >= (looked + 1) * progress_.steps) {
      ++looked;
      look();
    }
    go_on = !on_step || on_step(progress_);
  }
  if (best_.tensors.empty()) {
    look();
  }
}

Classifier Training::finish() {
  info_.training = {
      {"options", to_json(options_)},
      {"augment", to_json(options_.augment)},
      {"weights", weights_ ? Json(weights_->filename().string()) : Json("from scratch")},
      {"weights_sha256", weights_ ? Json(sha256_file(*weights_)) : Json()},
      {"learning_rate", peak_},
      {"train_images", task_.train.size()},
      {"train_hash", task_.train.data->content_hash()},
      {"val_images", task_.val.size()},
      {"val_hash", task_.val.data->content_hash()},
      {"steps", progress_.step},
      {"best_step", best_.step},
      {"best_epoch", best_.look},
      {"val_acc", best_.scores.accuracy},
      {"val_balanced_acc", best_.scores.balanced_accuracy},
      {"history", history_}};
  auto kept = make_network(layout_of(info_), std::nullopt);
  SafetensorsFile file;
  file.tensors.insert(best_.tensors.begin(), best_.tensors.end());
  copy_into(all_tensors(*kept), file);
  return {info_, std::move(kept)};
}

}  // namespace

Classifier::Classifier(ClassifierInfo info, std::shared_ptr<ImageNetwork> network)
    : info_(std::move(info)), network_(std::move(network)) {
  network_->eval();
}

Classifier Classifier::load(const fs::path& path) {
  const auto file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat ||
      !file.metadata.contains("medaug")) {
    throw Error(ErrorCode::kCheckpoint, path.string(), "is no classifier of medaug",
                "make one: medaug classify --original_data TRAIN.jsonl --val_data VAL.jsonl --save "
                "FILE.safetensors");
  }
  try {
    const auto json = Json::parse(file.metadata.at("medaug"));
    ClassifierInfo info;
    const auto network = enum_from_name<ClassifierNetwork>(json.at("network").get<std::string>());
    if (!network) {
      throw Error(ErrorCode::kCheckpoint, path.string(), "is of an unknown network");
    }
    info.network = *network;
    info.input_side = json.at("input_side").get<std::int64_t>();
    info.classes = json.at("classes").get<std::vector<std::string>>();
    info.preprocess = from_json<PreprocessOptions>(json.at("preprocess"), path.string());
    info.training = json.at("training");
    require_finite(file);
    auto net = make_network(layout_of(info), std::nullopt);
    copy_into(all_tensors(*net), file);
    Classifier classifier(std::move(info), std::move(net));
    classifier.hash_ = sha256_file(path);
    return classifier;
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kCheckpoint, path.string(), e.what());
  }
}

void Classifier::save(const fs::path& path) const {
  Json json;
  json["network"] = enum_name(info_.network);
  json["input_side"] = info_.input_side;
  json["classes"] = info_.classes;
  json["preprocess"] = to_json(info_.preprocess);
  json["training"] = info_.training;
  write_safetensors(path, all_tensors(*network_), {{"format", kFormat}, {"medaug", json.dump()}});
}

Tensor Classifier::probabilities(const Tensor& images) const {
  return in_parts(images, kBatch, [this](const Tensor& some) {
    const auto x = network_input(*network_, some, info_.input_side);
    return network_->classify(network_->features(x)).softmax(1);
  });
}

Tensor Classifier::features(const Tensor& images) const {
  return in_parts(images, kBatch, [this](const Tensor& some) {
    return network_->features(network_input(*network_, some, info_.input_side));
  });
}

Tensor Classifier::probabilities(const Dataset& data) const {
  std::vector<Tensor> rows;
  for (std::int64_t begin = 0; begin < data.size(); begin += kBatch) {
    std::vector<Tensor> images;
    for (auto i = begin; i < std::min(begin + kBatch, data.size()); ++i) {
      images.push_back(data.image(i));
    }
    rows.push_back(probabilities(at::stack(images)));
  }
  return at::cat(rows);
}

ClassificationScores scores_of(const Tensor& probabilities,
                               const std::vector<std::int64_t>& classes) {
  const auto p = probabilities.to(at::kDouble).contiguous();
  return score_classes(classes, {p.const_data_ptr<double>(), static_cast<std::size_t>(p.numel())},
                       p.size(1));
}

Classifier train_classifier(const ClassifierTask& task, const ClassifierOptions& options,
                            const std::function<bool(const ClassifierProgress&)>& on_step,
                            const Classifier* start) {
  Training training(task, options, start);
  training.run(on_step);
  return training.finish();
}

std::int64_t classifier_steps(const ClassifierOptions& options, std::int64_t images) {
  const auto each = (images + options.batch_size - 1) / options.batch_size;
  return options.steps > 0 ? options.steps : options.epochs * each;
}

std::optional<fs::path> first_weights(const ClassifierOptions& options) {
  const bool has_none = options.network == ClassifierNetwork::kSmall;
  if (!options.weights.empty() && (has_none || options.from_scratch)) {
    throw Error(ErrorCode::kUsage, "--weights",
                has_none ? "the network 'small' always begins from scratch"
                         : "given together with --from-scratch",
                "leave one of them out, or choose --network efficientnet_lite0 or resnet50");
  }
  if (!options.weights.empty()) {
    return options.weights;
  }
  return options.network == ClassifierNetwork::kEfficientNetLite0 && !options.from_scratch
             ? find_weights("efficientnet_lite0.safetensors")
             : std::nullopt;
}

std::int64_t classifier_side(const ClassifierOptions& options, std::int64_t image_side) {
  if (options.network == ClassifierNetwork::kSmall) {
    return image_side;
  }
  constexpr std::int64_t kMost = 224;
  const auto twice = std::min<std::int64_t>(2 * image_side, 128);
  return options.input_side > 0 ? options.input_side : std::min(kMost, std::max(image_side, twice));
}

}  // namespace medaug
