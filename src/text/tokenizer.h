// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace medaug {

/// What a model was trained to see of a caption.
enum class TokenizerStyle {
  kNormalised,  ///< models of our own: the caption by `normalize_caption`, then what the model does
  kGemma,       ///< the caption as it is; only what the model itself does
};

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
  /// @throws Error kCheckpoint when it is not one, or in Gemma's style when it has no begin id
  static Tokenizer load(std::string model, TokenizerStyle style = TokenizerStyle::kNormalised);

  /// Piece ids with the begin id in front and no end id, cut to `max_tokens`; the empty caption is
  /// the begin id alone. Special pieces written in a caption are ordinary text.
  /// @throws Error kInvalidArgument for a caption that `normalize_caption` refuses, or max_tokens <
  /// 1
  std::vector<std::int64_t> encode(std::string_view caption, std::int64_t max_tokens) const;
  /// The text; ids outside the vocabulary and special ones give nothing.
  std::string decode(const std::vector<std::int64_t>& ids) const;
  std::int64_t size() const;
  std::int64_t pad() const;    ///< kPad, or what a model from elsewhere has; -1 = none
  std::int64_t begin() const;  ///< kBegin, or what a model from elsewhere has
  const std::string& serialized() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

/// What a pretrained encoder expects of its tokenizer.
struct TokenizerNeeds {
  std::int64_t vocabulary = 0;  ///< rows of the embedding; up to 1023 of them may be padding
  std::int64_t pad = 0;
  std::int64_t begin = 0;
};
/// @throws Error kCheckpoint: tokenizer of another model
void require_fit(const Tokenizer& tokenizer, const TokenizerNeeds& needs);

/// Ids of several captions in rows of one length, row by row.
struct TokenBatch {
  std::int64_t length = 0;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> mask;  ///< 1 = real, 0 = padding
};
/// Pads on the right to the longest row, then to a multiple of `multiple`.
TokenBatch pad_right(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t pad,
                     std::int64_t multiple);

}  // namespace medaug
