// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"
#include "training/conditions.h"
#include "training/model_file.h"
#include "training/sampling.h"

namespace medaug {

/// The arguments of the original's Python class; what is absent is as the checkpoint was saved
/// with.
struct ImageArguments {
  std::string caption;
  std::filesystem::path mask = {};  ///< file; empty = none
  std::int64_t image_size = 0;      ///< pixels; 0 = as trained
  std::optional<std::int64_t> num_inference_steps = {};
  std::optional<double> guidance_scale = {};  ///< of the caption; 1 = off
  std::int64_t seed = 42;
};

/// One image of a batch.
struct GenerateRequest {
  std::string caption;
  /// (K, H, W) in [0, 1] at the image's size, or undefined = no mask; a plane of kUnknownShare
  /// leaves its class to the model.
  at::Tensor mask = {};
  std::int64_t seed = 42;  ///< its noise depends on nothing else
  /// (C, H, W) in [-1, 1]: kept outside of `region`, to the very values; undefined = none. All
  /// requests of a call have one, or none has.
  at::Tensor init = {};
  at::Tensor region = {};  ///< (1, H, W) bool: where to paint; goes with `init`
  /// Of this image, where it is not that of the settings. A model of buckets makes an image in the
  /// size of its mask or init.
  std::optional<PictureSize> size = {};
};

/// What all images of one call share; empty = what the checkpoint was saved with.
struct GenerateSettings {
  std::int64_t image_size = 0;   ///< height; 0 = as trained
  std::int64_t image_width = 0;  ///< 0 = square, or as trained when image_size is 0
  std::string negative_caption;  ///< what text guidance leads away from
  SamplerOptions sampler;
  GuidanceOptions guidance;
};

/// Makes images from a checkpoint. The same request and settings give the same bytes alone or in
/// any company (same device and precision). Thread-compatible: one call at a time.
class ImageGenerator {
 public:
  struct Options {
    at::Device device = at::kCPU;
    at::ScalarType dtype = at::kBFloat16;
    std::int64_t lanes = 16;  ///< images per call of the network; results do not depend on it
    std::vector<AdapterChoice> adapters = {};  ///< laid over the checkpoint
  };

  /// @param checkpoint  run folder, step folder or model file. @throws Error kCheckpoint
  ImageGenerator(const std::filesystem::path& checkpoint, const Options& options);
  explicit ImageGenerator(const std::filesystem::path& checkpoint)
      : ImageGenerator(checkpoint, Options()) {}

  /// (C, H, W) float32 in [-1, 1] for each request.
  /// @param watch  numbers its estimates as the requests are numbered; cancelling ends the present
  /// batch and what was not begun is left undefined
  /// @throws Error kInvalidArgument for a size that does not divide into patches or masks of
  /// another size or K
  std::vector<at::Tensor> generate(const std::vector<GenerateRequest>& requests,
                                   const GenerateSettings& settings,
                                   const SamplingWatch& watch = {});
  /// Pictures of what `SamplingWatch::on_estimate` is given. Safe to call from its threads.
  at::Tensor glimpse(const at::Tensor& estimate) const { return loaded_.model->glimpse(estimate); }
  /// One image at the depth of the training images. @throws Error as `generate`, kData for the mask
  Image generate_image(const ImageArguments& arguments);

  /// The settings the checkpoint was saved with.
  GenerateSettings defaults() const;
  const ModelInfo& info() const { return loaded_.info; }
  const std::string& checkpoint_sha256() const { return loaded_.sha256; }
  /// Bits of a pixel in files.
  int bit_depth() const { return loaded_.info.preprocess.bit_depth == 16 ? 16 : 8; }

 private:
  SamplingRequest sampling_request(std::span<const GenerateRequest> requests, PictureSize size,
                                   const std::string& negative);

  Options options_;
  LoadedModel loaded_;
  CaptionEncoder captions_;
  std::vector<std::int64_t> seeds_;
};

}  // namespace medaug
