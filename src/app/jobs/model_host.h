// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/jobs/job.h"
#include "evaluation/copies.h"
#include "evaluation/segmenter.h"
#include "inference/batch_maker.h"
#include "inference/image_generator.h"
#include "inference/output_writer.h"

namespace medaug::app {

/// What the server makes images with.
struct ModelSources {
  std::filesystem::path checkpoint;
  std::filesystem::path segmenter = {};  ///< empty = no agreement
  std::filesystem::path training = {};   ///< manifest, for the nearest training image; empty = none
  std::filesystem::path held_out = {};   ///< manifest that sets the limit of a copy; goes with it
  ImageGenerator::Options generator = {};
  std::string version;    ///< of medaug, for the PNGs
  std::string precision;  ///< likewise
};

/// Tells which training image a picture is most like.
class NearestTraining {
 public:
  NearestTraining(const std::filesystem::path& training, const std::filesystem::path& held_out,
                  Fit fit);
  struct Found {
    double score = 0.0;
    bool copy = false;
    Image picture;  ///< the training image
  };
  std::vector<Found> find(const std::vector<Image>& images) const;

 private:
  Source source_;
  std::unique_ptr<const CopyDetector> detector_;
  std::vector<std::filesystem::path> files_;  ///< of the detector's rows
};

/// A finished image as it is kept.
struct Made {
  JobImage about;
  std::string png;
  std::string nearest_png;  ///< empty = none
};

/// Requests of a job as the generator reads them.
struct Prepared {
  GenerateRequest request;  ///< of the first image; further ones have other seeds
  GenerateSettings settings;
};

/// One loaded checkpoint and what goes with it. Thread-compatible but for `info`, `name` and
/// `prepare`, which change nothing.
class HostedModel {
 public:
  explicit HostedModel(const ModelSources& sources);

  const ModelInfo& info() const { return generator_.info(); }
  const std::string& sha256() const { return generator_.checkpoint_sha256(); }
  GenerateSettings defaults() const { return generator_.defaults(); }
  bool has_segmenter() const { return segmenter_ != nullptr; }
  std::int64_t lanes() const { return lanes_; }

  /// Checks sizes and decodes the uploaded pictures. @throws HttpError naming the field
  Prepared prepare(const JobRequest& request) const;

  std::vector<at::Tensor> generate(const std::vector<GenerateRequest>& requests,
                                   const GenerateSettings& settings, const SamplingWatch& watch) {
    return generator_.generate(requests, settings, watch);
  }
  at::Tensor glimpse(const at::Tensor& estimate) const { return generator_.glimpse(estimate); }
  /// The finished image as a PNG with its settings inside, and what is known about it.
  Made finish(const at::Tensor& pixels, const GenerateRequest& request,
              const GenerateSettings& settings, const NearestTraining* nearest) const;

 private:
  Json agreement(const Image& image, const at::Tensor& mask) const;

  ImageGenerator generator_;
  std::shared_ptr<const Segmenter> segmenter_;
  std::int64_t lanes_;
  std::string version_, precision_;
};

/// The model in use, which can be replaced while requests run. Thread-safe.
class ModelHost {
 public:
  /// Loads it. @throws Error kCheckpoint
  explicit ModelHost(ModelSources sources);

  std::shared_ptr<HostedModel> current() const;
  /// Loads the same path again beside the old model, and swaps. @throws Error: the old one stays
  void reload();
  const ModelSources& sources() const { return sources_; }

  /// Builds the index of training images, which takes a while; where it cannot, `nearest_problem`
  /// says why.
  void load_nearest();
  std::string nearest_problem() const;
  std::shared_ptr<const NearestTraining> nearest() const;

 private:
  ModelSources sources_;
  mutable std::mutex mutex_;
  std::mutex reloading_;
  std::shared_ptr<HostedModel> model_;
  std::shared_ptr<const NearestTraining> nearest_;
  std::string nearest_problem_;
};

}  // namespace medaug::app
