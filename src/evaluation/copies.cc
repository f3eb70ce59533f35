// SPDX-License-Identifier: MIT
#include "evaluation/copies.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "config/concat.h"
#include "evaluation/planted_copies.h"
#include "evaluation/statistics.h"
#include "image/image.h"

namespace medaug {
namespace {

constexpr std::int64_t kOneIn = 100;       // held-out images that may be taken for copies
constexpr double kTheSamePicture = 0.999;  // a score that only the same picture reaches
constexpr std::int64_t kPlanted = 200;

at::Tensor read_pictures(Table& table, const PreprocessOptions& preprocess,
                         const OnProgress& on_progress) {
  std::vector<at::Tensor> pictures;
  table.stream(
      [&](const EvaluationItem& item) -> Pictures {
        return {preprocess_image(read_image(item.generated), preprocess), {}};
      },
      [&](const at::Tensor& images, const at::Tensor&) { pictures.push_back(images.clone()); },
      on_progress);
  return at::cat(pictures);
}

Json share_json(std::int64_t hits, std::int64_t count) {
  const auto interval = wilson(hits, count);
  return {interval.low, interval.high};
}

}  // namespace

CopyDetector::CopyDetector(Table& training, Table& held_out, Fit fit, const OnProgress& on_progress)
    : preprocess_(copy_preprocess(fit)),
      training_(read_pictures(training, preprocess_, on_progress)),
      index_(training_) {
  const auto pictures = read_pictures(held_out, preprocess_, on_progress);
  const auto n = pictures.size(0);
  if (n < kLeastHeldOut) {
    throw Error(ErrorCode::kData, "--reference",
                concat({std::to_string(n), " held-out images are too few to tell copies by"}),
                concat({"give at least ", std::to_string(kLeastHeldOut),
                        " real images that the generator was not trained on; a hundred and more "
                        "for a limit that means something"}));
  }
  std::vector<double> scores;
  for (const auto& match : nearest(pictures, on_progress)) {
    scores.push_back(match.score);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  const auto allowed = static_cast<std::size_t>(n / kOneIn);
  threshold_ = scores[allowed];
  if (threshold_ > kTheSamePicture) {
    throw Error(
        ErrorCode::kData, "--reference",
        "more than one in a hundred of these images are among the training images: they set "
        "no limit",
        "give real images that the generator was not trained on");
  }
  const auto beyond =
      std::count_if(scores.begin(), scores.end(), [&](double s) { return s > threshold_; });
  plan_ = {{"training_images", index_.size()},
           {"held_out_images", n},
           {"threshold", threshold_},
           {"false_alarms", static_cast<double>(beyond) / static_cast<double>(n)},
           {"expected_share", static_cast<double>(allowed + 1) / static_cast<double>(n + 1)}};
}

std::vector<CopyMatch> CopyDetector::nearest(const at::Tensor& images,
                                             const OnProgress& on_progress) const {
  return index_.nearest(images, [&](std::int64_t done) {
    if (on_progress) {
      on_progress(done, images.size(0));
    }
  });
}

Json CopyDetector::try_planted(std::int64_t count, std::uint64_t seed) const {
  const auto planted = plant_copies(training_, count, seed);
  const auto found = nearest(planted.images);
  Json kinds = Json::object();
  std::int64_t hits = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto& kind = kinds[planted.kind[i]];
    if (kind.is_null()) {
      kind = {{"n", 0}, {"found", 0}};
    }
    kind["n"] = kind["n"].get<std::int64_t>() + 1;
    if (is_copy(found[i])) {
      kind["found"] = kind["found"].get<std::int64_t>() + 1;
      ++hits;
    }
  }
  return {{"n", count},
          {"found", hits},
          {"sensitivity", static_cast<double>(hits) / static_cast<double>(count)},
          {"sensitivity_ci95", share_json(hits, count)},
          {"by_kind", kinds}};
}

Json audit_copies(Table& generated, Table& training, Table& held_out, Fit fit, std::uint64_t seed,
                  const OnProgress& on_progress) {
  const CopyDetector detector(training, held_out, fit, on_progress);
  const auto pictures = read_pictures(generated, detector.preprocess(), on_progress);
  const auto matches = detector.nearest(pictures, on_progress);
  std::int64_t flagged = 0;
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const auto& match = matches[i];
    auto& values = generated.rows()[i].values;
    values["copy_score"] = match.score;
    values["copy_flag"] = detector.is_copy(match);
    values["nearest_training"] =
        training.rows()[static_cast<std::size_t>(match.training)].item.generated.string();
    flagged += detector.is_copy(match) ? 1 : 0;
  }
  auto out = detector.plan();
  out["flagged"] = flagged;
  out["share"] = static_cast<double>(flagged) / static_cast<double>(matches.size());
  out["share_ci95"] = share_json(flagged, std::ssize(matches));
  out["planted"] = detector.try_planted(kPlanted, seed);
  return out;
}

}  // namespace medaug
