// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "evaluation/classifier_options.h"
#include "models/image_network.h"

// The networks of the classifier and the gradients of one batch.

namespace medaug {

/// What decides a network's layout.
struct ClassifierLayout {
  ClassifierNetwork network = ClassifierNetwork::kEfficientNetLite0;
  std::int64_t channels = 3;  ///< of the images
  std::int64_t side = 64;     ///< pixels that the network reads, shorter side
  std::int64_t classes = 2;
};

/// @param seed  of the initial weights; none = left undefined, to be filled
std::shared_ptr<ImageNetwork> make_network(const ClassifierLayout& layout,
                                           std::optional<std::uint64_t> seed);

/// Fills all but the last layer with weights trained elsewhere: EfficientNet-Lite0's own file, or a
/// ResNet-50 (evaluation/resnet_weights.h). @throws Error kCheckpoint
void load_pretrained(ImageNetwork& network, const std::filesystem::path& weights);

/// Gradients of a network with batch norm, part by part. A batch is cut into parts of about
/// kImages images whatever the number of threads, and each part is normalised with its own mean and
/// variance (Hoffer et al., arXiv 1705.08741, "ghost batch norm"): parts that run side by side need
/// not wait for each other in each layer, and the result does not depend on how many do. The
/// running statistics move by the mean over the parts. Not thread-safe.
class PartGradients {
 public:
  static constexpr std::int64_t kImages = 16;

  /// @param network  stays in evaluation mode; its weights and running statistics are shared with
  ///                 the parts
  /// @param layout   of `network`
  PartGradients(std::shared_ptr<ImageNetwork> network, const ClassifierLayout& layout);

  /// Of the mean cross-entropy into the network's parameters.
  /// @param images     (N, C, H, W), prepared, in the dtype to compute in
  /// @param classes    (N) int64
  /// @param smoothing  of the labels, in [0, 1)
  /// @param momentum   of the running statistics
  /// @return the mean loss
  double operator()(const at::Tensor& images, const at::Tensor& classes, double smoothing,
                    double momentum);

 private:
  /// The network with running statistics of its own.
  struct Part {
    std::shared_ptr<ImageNetwork> network;
    at::Tensor statistics;  ///< all of them, one behind the other
  };

  Part make_part() const;
  void set_momentum(double momentum);

  std::shared_ptr<ImageNetwork> network_;
  ClassifierLayout layout_;
  at::Tensor statistics_;
  std::vector<Part> parts_;
};

}  // namespace medaug
