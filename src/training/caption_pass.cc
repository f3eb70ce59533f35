// SPDX-License-Identifier: MIT
#include "training/caption_pass.h"

#include <set>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"

namespace medaug {
namespace {

constexpr double kReportEvery = 30.0;  // seconds

void add_captions(const Dataset& data, const AugmentOptions& augment, std::set<std::string>& out) {
  for (const auto& caption : captions_of(data)) {
    out.insert(caption);
    for (const bool horizontal : {false, augment.horizontal_flip}) {
      for (const bool vertical : {false, augment.vertical_flip}) {
        if (const auto flipped = flip_caption(caption, horizontal, vertical)) {
          out.insert(*flipped);
        }
      }
    }
  }
}

}  // namespace

std::vector<std::string> captions_of_run(const RunData& data, const AugmentOptions& augment) {
  std::set<std::string> captions{""};
  add_captions(*data.train, augment, captions);
  if (data.val) {
    add_captions(*data.val, {}, captions);
  }
  return {captions.begin(), captions.end()};
}

void encode_captions_ahead(const Generator& model, CaptionEncoder& encoder,
                           const std::vector<std::string>& captions) {
  const auto& frozen = model.frozen().captions;
  if (!frozen) {
    return;
  }
  const auto of = " of " + std::to_string(captions.size()) + " captions";
  double reported = monotonic_seconds();
  std::size_t done = 0;
  for (const auto& caption : captions) {
    if (stop_requested()) {
      return;
    }
    Conditions conditions;
    encoder.encode({caption}, conditions);
    frozen->features(conditions.tokens, conditions.token_mask);
    ++done;
    if (monotonic_seconds() - reported > kReportEvery) {
      log_info("text encoder: " + std::to_string(done) + of);
      reported = monotonic_seconds();
    }
  }
  frozen->release();
}

}  // namespace medaug
