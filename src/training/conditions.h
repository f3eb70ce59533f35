// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/loader.h"
#include "models/generator.h"
#include "text/tokenizer.h"
#include "training/options.h"

namespace medaug {

/// Captions as padded piece ids. Pieces of captions seen before are remembered. Not thread-safe.
class CaptionEncoder {
 public:
  CaptionEncoder(Tokenizer tokenizer, std::int64_t max_tokens)
      : tokenizer_(std::move(tokenizer)), max_tokens_(max_tokens) {}

  /// Fills `tokens` and `token_mask`, always (N, max_tokens): a caption's features must not depend
  /// on its neighbours.
  void encode(const std::vector<std::string>& captions, Conditions& conditions);
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  Tokenizer tokenizer_;
  std::int64_t max_tokens_;
  std::map<std::string, std::vector<std::int64_t>, std::less<>> cache_;
};

/// A plane of a mask that holds this share everywhere says that its class is not known; zeros say
/// that it is nowhere. The network sees 2 share - 1, so not known is zero, as a mask that is
/// absent.
inline constexpr float kUnknownShare = 0.5F;

/// Conditions of a batch as they are. @param device  where the tensors go
Conditions conditions_of(const Batch& batch, CaptionEncoder& captions, at::Device device);

/// The same with captions, masks and single classes dropped at random, keyed by the draws: that is
/// what lets the model be guided, and run without a caption, a mask or a class.
Conditions dropped_conditions(Batch batch, CaptionEncoder& captions, const TrainingOptions& options,
                              at::Device device);

}  // namespace medaug
