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

Tokenizer Tokenizer::load(std::string model) {
  auto impl = std::make_shared<Impl>();
  if (!impl->processor.LoadFromSerializedProto(model).ok() || impl->processor.GetPieceSize() < 1) {
    throw Error(ErrorCode::kCheckpoint, "tokenizer", "is not a SentencePiece model");
  }
  if (impl->processor.bos_id() >= 0) {
    impl->begin = impl->processor.bos_id();
  }
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
  const std::string text = normalize_caption(caption);
  std::vector<int> pieces;
  const auto status = impl_->processor.Encode(text, &pieces);
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
const std::string& Tokenizer::serialized() const { return impl_->model; }

}  // namespace medaug
