// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

/// SentencePiece BPE with byte fallback: any caption in any language encodes. Thread-safe after construction.
class Tokenizer {
 public:
  static constexpr std::int64_t kPad = 0, kUnknown = 1, kBegin = 2, kEnd = 3;

  /// Trains on captions. Small sets give fewer pieces than asked for; never fails for that.
  /// @throws Error kData when no caption has any text (an empty model of bytes is returned instead when allowed)
  static Tokenizer train(const std::vector<std::string>& captions, std::int64_t vocabulary_size, std::uint64_t seed);
  /// @param model  serialized SentencePiece model, as `serialized()` gives it (or another of that format)
  /// @throws Error kCheckpoint when it is not one
  static Tokenizer load(std::string model);

  /// Piece ids with kBegin in front, cut to `max_tokens`; the empty caption is kBegin alone. The text is normalised
  /// (NFKC, white space folded).
  std::vector<std::int64_t> encode(std::string_view caption, std::int64_t max_tokens) const;
  std::string decode(const std::vector<std::int64_t>& ids) const;
  std::int64_t size() const;
  const std::string& serialized() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace medaug
