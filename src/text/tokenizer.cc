// SPDX-License-Identifier: MIT
#include "text/tokenizer.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "text/caption.h"

namespace medaug {
namespace {

constexpr std::int64_t kBytePieces = 256;
constexpr std::int64_t kSpecialPieces = 4;
constexpr std::int64_t kLeastVocabulary = 300;
constexpr std::int64_t kMostVocabulary = 64'000;
constexpr std::int64_t kMostPaddingRows =
    1023;  // embeddings are padded to a multiple of 1024 at most

class Sentences : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& texts) : texts_(texts) {}
  bool done() const override { return at_ >= texts_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return texts_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& texts_;
  std::size_t at_ = 0;
};

/// The `most` commonest characters; the others are encoded as bytes.
std::set<char32_t> common_characters(const std::vector<std::string>& texts, std::size_t most) {
  std::map<char32_t, std::int64_t> counts;
  for (const auto& text : texts) {
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint point = decode_utf8(text, at);
      ++counts[point.value];
      at += point.length;
    }
  }
  std::vector<std::pair<std::int64_t, char32_t>> sorted;
  for (const auto& [character, count] : counts) {
    sorted.emplace_back(-count, character);
  }
  std::sort(sorted.begin(), sorted.end());
  sorted.resize(std::min(sorted.size(), most));
  std::set<char32_t> common;
  for (const auto& entry : sorted) {
    common.insert(entry.second);
  }
  return common;
}

/// SentencePiece refuses to train when the characters do not fit into the vocabulary, so rare ones
/// become spaces.
std::vector<std::string> with_common_characters(const std::vector<std::string>& texts,
                                                std::size_t most) {
  const auto common = common_characters(texts, most);
  std::vector<std::string> out;
  for (const auto& text : texts) {
    std::string kept;
    for (std::size_t at = 0; at < text.size();) {
      const CodePoint point = decode_utf8(text, at);
      kept.append(common.contains(point.value) ? std::string_view(text).substr(at, point.length)
                                               : " ");
      at += point.length;
    }
    out.push_back(std::move(kept));
  }
  out.emplace_back("image");  // never nothing at all
  return out;
}

std::unordered_map<std::string, std::string> trainer_options(std::int64_t vocabulary) {
  return {{"model_type", "bpe"},
          {"vocab_size", std::to_string(vocabulary)},
          {"hard_vocab_limit", "false"},
          {"byte_fallback", "true"},
          {"character_coverage", "1.0"},
          {"normalization_rule_name", "nfkc"},
          {"max_sentence_length", std::to_string(2 * kMaxCaptionBytes)},
          {"num_threads", "1"},
          {"pad_id", std::to_string(Tokenizer::kPad)},
          {"unk_id", std::to_string(Tokenizer::kUnknown)},
          {"bos_id", std::to_string(Tokenizer::kBegin)},
          {"eos_id", std::to_string(Tokenizer::kEnd)},
          {"minloglevel", "3"}};
}

}  // namespace

struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
  std::string model;
  std::int64_t begin = kBegin;
  TokenizerStyle style = TokenizerStyle::kNormalised;
};

Tokenizer Tokenizer::train(const std::vector<std::string>& captions, std::int64_t vocabulary_size,
                           std::uint64_t /*seed*/) {
  std::vector<std::string> texts;
  for (const auto& caption : captions) {
    std::string text = normalize_caption(caption, "caption", ErrorCode::kData);
    if (!text.empty()) {
      texts.push_back(std::move(text));
    }
  }
  const std::int64_t vocabulary = std::clamp(vocabulary_size, kLeastVocabulary, kMostVocabulary);
  // Half of the room for characters, so that there are words as well; fewer if NFKC makes several
  // out of one.
  std::string reason;
  for (auto most = (vocabulary - kBytePieces - kSpecialPieces) / 2; most > 0; most /= 2) {
    const auto common = with_common_characters(texts, static_cast<std::size_t>(most));
    Sentences sentences(common);
    std::string model;
    const auto status =
        sentencepiece::SentencePieceTrainer::Train(trainer_options(vocabulary), &sentences, &model);
    if (status.ok()) {
      return load(std::move(model));
    }
    reason = printable(status.ToString(), 500);
  }
  throw Error(ErrorCode::kData, "captions", "cannot train a tokenizer: " + reason);
}

Tokenizer Tokenizer::load(std::string model, TokenizerStyle style) {
  if (model.starts_with("version https://git-lfs")) {
    throw Error(ErrorCode::kCheckpoint, "tokenizer", "is a git-lfs pointer, not the file itself",
                "fetch the file: git lfs pull");
  }
  auto impl = std::make_shared<Impl>();
  if (!impl->processor.LoadFromSerializedProto(model).ok() || impl->processor.GetPieceSize() < 1) {
    throw Error(ErrorCode::kCheckpoint, "tokenizer", "is not a SentencePiece model",
                model.starts_with('{') ? "give tokenizer.model, not tokenizer.json" : "");
  }
  if (impl->processor.bos_id() >= 0) {
    impl->begin = impl->processor.bos_id();
  } else if (style == TokenizerStyle::kGemma) {
    throw Error(ErrorCode::kCheckpoint, "tokenizer", "has no piece that begins a text",
                "tokenizer of another model: give the tokenizer.model of the text encoder");
  }
  impl->style = style;
  impl->model = std::move(model);
  Tokenizer tokenizer;
  tokenizer.impl_ = std::move(impl);
  return tokenizer;
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view caption,
                                            std::int64_t max_tokens) const {
  if (max_tokens < 1) {
    throw Error(ErrorCode::kInvalidArgument, "max_tokens",
                std::to_string(max_tokens) + " is less than 1");
  }
  // Normalised in any case: that refuses what is no caption.
  const std::string normalised = normalize_caption(caption);
  const auto text = impl_->style == TokenizerStyle::kGemma ? caption : std::string_view(normalised);
  std::vector<int> pieces;
  const auto status = impl_->processor.Encode({text.data(), text.size()}, &pieces);
  if (!status.ok()) {
    throw Error(ErrorCode::kInvalidArgument, "caption", printable(status.ToString(), 300));
  }
  std::vector<std::int64_t> ids{impl_->begin};
  const auto room = static_cast<std::size_t>(max_tokens - 1);
  const std::size_t count = std::min(pieces.size(), room);
  ids.insert(ids.end(), pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(count));
  return ids;
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids) const {
  std::vector<int> pieces;
  for (const std::int64_t id : ids) {
    const bool known = id >= 0 && id < size();
    if (known && id != impl_->processor.pad_id()) {
      pieces.push_back(static_cast<int>(id));
    }
  }
  std::string text;
  const auto status = impl_->processor.Decode(pieces, &text);
  if (!status.ok()) {
    throw Error(ErrorCode::kInvalidArgument, "tokens", printable(status.ToString(), 300));
  }
  return text;
}

std::int64_t Tokenizer::size() const { return impl_->processor.GetPieceSize(); }
std::int64_t Tokenizer::pad() const { return impl_->processor.pad_id(); }
std::int64_t Tokenizer::begin() const { return impl_->begin; }
const std::string& Tokenizer::serialized() const { return impl_->model; }

void require_fit(const Tokenizer& tokenizer, const TokenizerNeeds& needs) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::kCheckpoint, "tokenizer", what,
                "tokenizer of another model: give the tokenizer.model of the text encoder");
  };
  const auto spare = needs.vocabulary - tokenizer.size();
  if (spare < 0 || spare > kMostPaddingRows) {
    refuse("has " + std::to_string(tokenizer.size()) + " pieces, the text encoder knows " +
           std::to_string(needs.vocabulary));
  }
  if (tokenizer.begin() != needs.begin || tokenizer.pad() != needs.pad) {
    refuse("begins a text with id " + std::to_string(tokenizer.begin()) + " and pads it with " +
           std::to_string(tokenizer.pad()) + ", the text encoder expects " +
           std::to_string(needs.begin) + " and " + std::to_string(needs.pad));
  }
}

TokenBatch pad_right(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t pad,
                     std::int64_t multiple) {
  std::size_t longest = 0;
  for (const auto& row : rows) {
    longest = std::max(longest, row.size());
  }
  const auto step = static_cast<std::size_t>(multiple);
  const auto length = (longest + step - 1) / step * step;
  TokenBatch batch;
  batch.length = static_cast<std::int64_t>(length);
  for (const auto& row : rows) {
    batch.ids.insert(batch.ids.end(), row.begin(), row.end());
    batch.ids.insert(batch.ids.end(), length - row.size(), pad);
    batch.mask.insert(batch.mask.end(), row.size(), 1);
    batch.mask.insert(batch.mask.end(), length - row.size(), 0);
  }
  return batch;
}

}  // namespace medaug
