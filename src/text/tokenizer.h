// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

/// SentencePiece BPE with byte fallback: any caption in any language encodes. Thread-safe after
/// construction.
class Tokenizer {
 public:
  static constexpr std::int64_t kPad = 0, kUnknown = 1, kBegin = 2, kEnd = 3;

  /// Trains on captions, in one thread: the same captions give the same model, byte for byte. Small
  /// sets give fewer pieces than asked for, sets with more characters than fit leave the rarest
  /// ones to the byte pieces; it never fails for that, and captions without any text give a model
  /// of bytes.
  /// @param vocabulary_size  at least 300 is used: 256 bytes and some pieces
  /// @param seed             not used by BPE; kept for models that draw
  /// @throws Error kData for a caption that `normalize_caption` refuses
  static Tokenizer train(const std::vector<std::string>& captions, std::int64_t vocabulary_size,
                         std::uint64_t seed);
  /// @param model  serialized SentencePiece model, as `serialized()` gives it (or another of that
  /// format)
  /// @throws Error kCheckpoint when it is not one
  static Tokenizer load(std::string model);

  /// Piece ids with kBegin in front, cut to `max_tokens`; the empty caption is kBegin alone. The
  /// text is normalised (normalize_caption, then NFKC). A model from elsewhere gives its own begin
  /// id.
  /// @throws Error kInvalidArgument for a caption that `normalize_caption` refuses, or max_tokens <
  /// 1
  std::vector<std::int64_t> encode(std::string_view caption, std::int64_t max_tokens) const;
  /// The text; ids outside the vocabulary and special ones give nothing.
  std::string decode(const std::vector<std::int64_t>& ids) const;
  std::int64_t size() const;
  const std::string& serialized() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace medaug
