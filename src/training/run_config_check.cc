// SPDX-License-Identifier: MIT
#include "training/run_config_check.h"

#include <unistd.h>

#include <string>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "config/concat.h"
#include "config/reader.h"
#include "data/buckets.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

class Rules {
 public:
  Rules(const RunConfig& config, const ConfigDocument& document)
      : config_(config), document_(document) {}

  void check_data();
  void check_masks();
  void check_training();
  void check_start();
  void check_sampling();
  void check_paths();
  void check_output();
  void require_train_data();
  std::vector<ConfigProblem>& problems() { return problems_; }

 private:
  void add(std::string_view key, std::string message, std::string hint) {
    problems_.push_back({document_.place_of(key), std::move(message), std::move(hint)});
  }
  void check_count(std::string_view key, std::size_t count);
  void check_path(std::string_view key, const std::string& path);

  const RunConfig& config_;
  const ConfigDocument& document_;
  std::vector<ConfigProblem> problems_;
};

void Rules::check_data() {
  const auto& options = config_.preprocess;
  if (options.channels == 2) {
    add("data.channels", "'data.channels' is 2",
        "allowed: 0 (as the images are), 1 (grey) or 3 (colour)");
  }
  if (options.bit_depth != 0 && options.bit_depth != 8 && options.bit_depth != 16) {
    add("data.bit_depth", concat({"'data.bit_depth' is ", std::to_string(options.bit_depth)}),
        "allowed: 0 (as the images are), 8 or 16");
  }
  if (options.image_width != 0 && options.image_width < 8) {
    add("data.image_width", concat({"'data.image_width' is ", std::to_string(options.image_width)}),
        "allowed: 0 (square), or 8..8192");
  }
  if (options.buckets && (options.image_width != 0 || options.image_size < kBucketUnit)) {
    add("data.buckets", "'data.buckets' needs a square image size of 16 or more",
        "image_size says how many pixels the buckets have; leave image_width out");
  }
}

void Rules::check_count(std::string_view key, std::size_t count) {
  const auto classes = config_.preprocess.mask_classes;
  if (count != 0 && static_cast<std::int64_t>(count) != classes) {
    add(key,
        concat({"'", key, "' has ", std::to_string(count), " entries but 'data.mask_classes' is ",
                std::to_string(classes)}),
        "give one entry per class, background not counted, or none");
  }
}

void Rules::check_masks() {
  check_count("data.class_names", config_.preprocess.class_names.size());
  check_count("data.mask_labels", config_.preprocess.mask_labels.size());
  check_count("data.mask_colors", config_.preprocess.mask_colors.size());
  for (const auto& color : config_.preprocess.mask_colors) {
    const bool hex = color.size() == 7 && color.front() == '#' &&
                     color.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos;
    if (!hex) {
      add("data.mask_colors", concat({"'", printable(color, 40), "' is not a colour"}),
          "write \"#rrggbb\" in quotes, for example \"#ff0000\"");
    }
  }
}

void Rules::check_training() {
  const auto& options = config_.training;
  if (options.num_epochs == 0 && options.max_steps == 0 && options.max_minutes == 0.0) {
    add("training.num_epochs", "the run has no end",
        "set training.num_epochs, training.max_steps or training.max_minutes");
  }
  if (options.caption_dropout + options.mask_dropout + options.both_dropout > 1.0) {
    add("training.caption_dropout", "caption_dropout + mask_dropout + both_dropout is more than 1",
        "lower them; 0.1, 0.1 and 0.05 are usual");
  }
  if (options.use_amp && options.amp_dtype == AmpDtype::kFloat16 &&
      options.device == DeviceChoice::kCpu) {
    add("training.amp_dtype", "the CPU cannot train in float16",
        "use training.amp_dtype=bfloat16, or training.use_amp=false");
  }
  if (options.averages() > kMostAverages) {
    add("training.ema_half_life",
        concat(
            {std::to_string(options.averages()), " moving averages (ema_half_life and ema_decay)"}),
        concat({"at most ", std::to_string(kMostAverages)}));
  }
  if (!options.distill_from.empty() && config_.guidance.text == 1.0 &&
      config_.guidance.mask == 1.0) {
    add("training.distill_from", "there is no guidance to distil: both scales are 1",
        "set guidance.mask or guidance.text, for example --set guidance.mask=1.5");
  }
  if (config_.text.dim % config_.text.heads != 0) {
    add("text.heads",
        concat({"'text.dim' ", std::to_string(config_.text.dim),
                " is not divisible by 'text.heads' ", std::to_string(config_.text.heads)}),
        "choose heads that divide the width");
  }
}

void Rules::check_start() {
  if (!config_.training.init_from.empty() && !config_.training.distill_from.empty()) {
    add("training.init_from", "a run with training.distill_from starts from its teacher",
        "leave one of them out");
  }
  if (config_.lora.rank == 0) {
    return;
  }
  if (config_.training.init_from.empty()) {
    add("lora.rank", "adapters stand beside the weights of a trained model, and none is named",
        "set training.init_from, or give --init MODEL");
  }
  try {
    lora_layers(config_.lora.targets, "lora.targets");
  } catch (const Error& e) {
    add("lora.targets", e.message(), e.hint());
  }
}

void Rules::check_sampling() {
  if (config_.sampler.logit_low >= config_.sampler.logit_high) {
    add("sampling.logit_low", "'sampling.logit_low' is not below 'sampling.logit_high'",
        "0.02 and 0.98 are usual");
  }
  if (config_.guidance.interval_low > config_.guidance.interval_high) {
    add("guidance.interval_low", "'guidance.interval_low' is above 'guidance.interval_high'",
        "0.1 and 0.9 are usual");
  }
}

bool leaves(const fs::path& path, const fs::path& root) {
  const auto relative = fs::weakly_canonical(path).lexically_relative(fs::weakly_canonical(root));
  return relative.empty() || *relative.begin() == "..";
}

// A config travels with its project, so a path in it is relative; the command line says what it
// means.
void Rules::check_path(std::string_view key, const std::string& path) {
  if (path.empty() || config_.data.allow_outside || document_.from_override(key)) {
    return;
  }
  const auto hint = concat({"set data.allow_outside: true, or pass it with --set ", key, "=..."});
  if (fs::path(path).is_absolute()) {
    add(key, concat({"'", key, "' is the absolute path ", printable(path)}),
        concat({"write it relative to the project; or ", hint}));
  } else if (!config_.data.root.empty() &&
             leaves(config_.data.root / fs::path(path), config_.data.root)) {
    add(key,
        concat({"'", key, "' leaves data.root (", printable(config_.data.root), ") through '..'"}),
        hint);
  }
}

void Rules::check_paths() {
  check_path("data.train_data", config_.data.train_data);
  check_path("data.val_data", config_.data.val_data);
  check_path("training.init_from", config_.training.init_from);
  check_path("training.distill_from", config_.training.distill_from);
  std::error_code ignored;
  if (!config_.val_path.empty() && config_.train_path == config_.val_path &&
      !fs::is_directory(config_.val_path, ignored)) {
    add("data.val_data", "'data.val_data' is the same manifest as 'data.train_data'",
        "validation on training images says nothing; leave val_data out to hold out "
        "data.val_fraction");
  }
}

void Rules::require_train_data() {
  if (config_.data.train_data.empty()) {
    add("data.train_data", "'data.train_data' is required and has no value",
        "give a manifest, for example\n    data:\n      train_data: \"data/train.jsonl\"\n  or run "
        "'medaug phantom data/phantom' for a data set to try");
  }
}

bool inside_data(const fs::path& data, const fs::path& folder) {
  std::error_code ignored;
  if (fs::is_directory(data, ignored) && !leaves(folder, data)) {
    return true;
  }
  const auto beside = data.parent_path();
  return !leaves(folder, beside / "images") || !leaves(folder, beside / "masks");
}

void Rules::check_output() {
  const auto& run_folder = config_.run_folder;
  const auto name = printable(run_folder.string());
  const auto folder = existing_part(run_folder);
  const std::string hint = "choose another with --output or output.folder";
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    add("output.folder",
        concat({"cannot make the run folder ", name, ": ", printable(folder.string()),
                " is not a folder"}),
        hint);
  } else if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    add("output.folder",
        concat({"cannot write the run folder ", name, ": no permission in ",
                printable(folder.string())}),
        hint);
  }
  if (!config_.train_path.empty() && inside_data(config_.train_path, run_folder)) {
    add("output.folder", concat({"the run folder ", name, " lies inside the data set"}), hint);
  }
}

}  // namespace

void check_run_config(const RunConfig& config, const ConfigDocument& document, ConfigUse use) {
  Rules rules(config, document);
  rules.check_data();
  rules.check_masks();
  rules.check_training();
  rules.check_start();
  rules.check_sampling();
  rules.check_paths();
  if (use == ConfigUse::kTrain) {
    rules.require_train_data();
    rules.check_output();
  }
  throw_problems(rules.problems());
  if (use == ConfigUse::kTrain) {
    const auto& size = config.preprocess;
    validate(config.model, concat({document.place_of("model"), ": model"}));
    validate_size(config.model, size.height(), size.width(),
                  concat({document.place_of("data.image_size"), ": data"}));
  }
}

}  // namespace medaug
