// SPDX-License-Identifier: MIT
#include "cli/check_parts.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/autoencoder_file.h"
#include "checkpoint/config_json.h"
#include "checkpoint/load.h"
#include "checkpoint/load_gemma.h"
#include "config/concat.h"
#include "data/preprocess.h"
#include "evaluation/items.h"
#include "evaluation/round_trip.h"
#include "training/latent_model.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

FrozenKind kind_of_file(const fs::path& file) {
  if (file.extension() != ".safetensors") {
    return FrozenKind::kNone;
  }
  try {
    const auto header = with_diffusers_names(read_safetensors_header(file));
    const bool both = header.tensors.contains("encoder.conv_in.weight") &&
                      header.tensors.contains("decoder.conv_in.weight");
    return both ? FrozenKind::kAutoencoder : FrozenKind::kNone;
  } catch (const Error&) {
    return FrozenKind::kNone;  // what is wrong with it is said by whoever reads it
  }
}

/// Spread over the set: neighbours are often of one patient.
std::vector<fs::path> chosen(const Source& source, std::int64_t count) {
  std::vector<fs::path> files;
  const auto all = std::ssize(source.items), n = std::min(count, all);
  for (std::int64_t i = 0; i < n; ++i) {
    files.push_back(source.items[static_cast<std::size_t>(i * all / n)].image);
  }
  return files;
}

struct Worst {
  double value = 0.0;
  std::string name;
};

/// "mean 34.1, worst 31.0 (case_7)", and the same as JSON.
class Scores {
 public:
  void add(double value, const fs::path& file) {
    values_.push_back(value);
    if (values_.size() == 1 || value < worst_.value) {
      worst_ = {value, file.stem().string()};
    }
  }
  std::string text(const char* unit) const {
    return concat({"mean ", rounded(mean()), unit, ", worst ", rounded(worst_.value), unit, " (",
                   printable(worst_.name, 60), ")"});
  }
  Json json() const { return {{"mean", mean()}, {"worst", worst_.value}, {"of", worst_.name}}; }
  bool empty() const { return values_.empty(); }

 private:
  double mean() const {
    return std::accumulate(values_.begin(), values_.end(), 0.0) /
           static_cast<double>(values_.size());
  }
  static std::string rounded(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
  }

  std::vector<double> values_;
  Worst worst_;
};

Json report_round_trip(const Autoencoder& model, const CheckCheckpointCommand& options,
                       Report& report) {
  PreprocessOptions preprocess;
  preprocess.image_size = options.image_size;
  preprocess.channels = model.options().in_channels;
  preprocess.bit_depth = 8;
  preprocess.fit = Fit::kCrop;
  Scores psnr, ssim;
  std::int64_t images = 0;
  for (const auto& file : chosen(read_source(options.images), options.count)) {
    const auto image = preprocess_image(read_image(file), preprocess).unsqueeze(0);
    const auto quality =
        round_trip_quality(model, image, {.memory_bytes = kMostAutoencoderBytes}).front();
    ++images;
    if (quality.psnr) {
      psnr.add(*quality.psnr, file);
    }
    if (quality.ssim) {
      ssim.add(*quality.ssim, file);
    }
  }
  Json json{{"images", images}, {"image_size", options.image_size}};
  const auto side = std::to_string(options.image_size);
  report.good("round trip", concat({std::to_string(images), " images of ", side, " x ", side,
                                    ", encoded and decoded"}));
  if (psnr.empty()) {
    report.good("  PSNR", "every image came back the same");
  } else {
    report.good("  PSNR", psnr.text(" dB"));
    json["psnr"] = psnr.json();
  }
  if (!ssim.empty()) {
    report.good("  SSIM", ssim.text(""));
    json["ssim"] = ssim.json();
  }
  return json;
}

}  // namespace

FrozenKind frozen_kind(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) {
    return kind_of_file(path);
  }
  if (!fs::exists(path / "config.json", ignored)) {
    return FrozenKind::kNone;
  }
  const auto config = read_config_json(path / "config.json");
  if (config.contains("model_type")) {
    return FrozenKind::kTextEncoder;
  }
  const auto name = config.find("_class_name");
  const bool autoencoder = name != config.end() && *name == "AutoencoderKL";
  return autoencoder ? FrozenKind::kAutoencoder : FrozenKind::kNone;
}

Json report_autoencoder(const fs::path& path, const CheckCheckpointCommand& options,
                        Report& report) {
  const auto model = load_autoencoder(path);
  const auto weights = nn::named_parameters(*model);
  std::int64_t numbers = 0;
  for (const auto& [name, tensor] : weights) {
    numbers += tensor.numel();
  }
  const auto& o = model->options();
  report.good(
      "autoencoder",
      concat({std::to_string(o.in_channels), " channels in, ", std::to_string(o.latent_channels),
              " latent, 1 / ", std::to_string(model->downscale()), " of the side, scale ",
              Json(o.scaling_factor).dump(), ", shift ", Json(o.shift_factor).dump()}));
  report.good("weights", concat({printable(autoencoder_weights(path).string(), 1000), ": ",
                                 std::to_string(weights.size()), " tensors, ",
                                 std::to_string(numbers), " numbers, all finite"}));
  Json json{{"autoencoder", autoencoder_options_to_json(o)},
            {"tensors", weights.size()},
            {"parameters", numbers}};
  if (options.images.empty()) {
    report.note("round trip", "not tried", "--images FOLDER measures it: PSNR and SSIM");
  } else {
    json["round_trip"] = report_round_trip(*model, options, report);
  }
  return json;
}

Json report_text_encoder(const fs::path& path, const CheckCheckpointCommand& options,
                         Report& report) {
  const auto gemma = read_gemma_options(path);
  const auto source = TensorSource::open(path);
  if (options.values) {
    verify_gemma(source, gemma);
  } else {
    require_gemma(source, gemma);
  }
  std::int64_t numbers = 0, bytes = 0;
  for (const auto& [name, entry] : source.entries()) {
    numbers += std::accumulate(entry.shape.begin(), entry.shape.end(), std::int64_t{1},
                               std::multiplies<>());
    bytes += entry.end - entry.begin;
  }
  report.good("text encoder", concat({"Gemma of ", std::to_string(gemma.num_hidden_layers),
                                      " layers, width ", std::to_string(gemma.hidden_size)}));
  report.good("weights", concat({std::to_string(source.files().size()), " files, ",
                                 std::to_string(source.entries().size()), " tensors, ",
                                 std::to_string(numbers), " numbers, ",
                                 human_bytes(static_cast<double>(bytes))}));
  if (options.values) {
    report.good("values", "all finite");
  } else {
    report.note("values", "not read", "--values reads them all");
  }
  const auto tokenizer = gemma_tokenizer(path, gemma);
  report.good("tokenizer", concat({std::to_string(tokenizer.size()), " pieces"}));
  return {{"text_encoder", {{"layers", gemma.num_hidden_layers}, {"width", gemma.hidden_size}}},
          {"tensors", source.entries().size()},
          {"parameters", numbers},
          {"pieces", tokenizer.size()}};
}

}  // namespace medaug::cli
