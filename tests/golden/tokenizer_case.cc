// SPDX-License-Identifier: MIT
// The tokenizer in Gemma's style against the sentencepiece library: ids of difficult strings, and
// padded batches.

#include <string>
#include <vector>

#include "base/files.h"
#include "base/strings.h"
#include "cases.h"
#include "text/tokenizer.h"

namespace medaug::golden {
namespace {

using Ids = std::vector<std::int64_t>;

constexpr const char* kStrings = "strings.json";
constexpr const char* kBatches = "batches.json";
constexpr std::int64_t kUncut = 1 << 20;

void compare_strings(CaseFolder& folder, const Tokenizer& tokenizer) {
  std::int64_t equal = 0, decoded = 0;
  const auto strings = folder.read_json(kStrings);
  for (const auto& item : strings) {
    const auto text = item.at("text").get<std::string>();
    const auto ids = item.at("ids").get<Ids>();
    auto want = ids;
    want.insert(want.begin(), tokenizer.begin());
    if (tokenizer.encode(text, kUncut) == want) {
      ++equal;
    } else {
      folder.fail(kStrings, printable(text, 60), "other ids");
    }
    decoded += tokenizer.decode(ids) == item.at("decoded").get<std::string>() ? 1 : 0;
  }
  folder.compare_counts(kStrings, "strings with the same ids", equal, std::ssize(strings));
  folder.compare_counts(kStrings, "ids with the same text", decoded, std::ssize(strings));
  folder.compare_counts(kStrings, "strings", std::ssize(strings), folder.json().at("strings"));
}

void compare_batches(CaseFolder& folder, const Tokenizer& tokenizer) {
  const auto& facts = folder.json().at("gemma_facts");
  std::int64_t number = 0;
  for (const auto& batch : folder.read_json(kBatches)) {
    std::vector<Ids> rows;
    for (const auto& text : batch.at("texts")) {
      rows.push_back(tokenizer.encode(text.get<std::string>(), facts.at("max_length")));
    }
    const auto got = pad_right(rows, tokenizer.pad(), facts.at("pad_to_multiple_of"));
    Ids ids, mask;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto want_ids = batch.at("input_ids").at(i).get<Ids>();
      const auto want_mask = batch.at("attention_mask").at(i).get<Ids>();
      ids.insert(ids.end(), want_ids.begin(), want_ids.end());
      mask.insert(mask.end(), want_mask.begin(), want_mask.end());
    }
    const auto name = "batch " + std::to_string(number++);
    folder.compare_counts(kBatches, name + " ids equal", got.ids == ids ? 1 : 0, 1);
    folder.compare_counts(kBatches, name + " mask equal", got.mask == mask ? 1 : 0, 1);
  }
}

}  // namespace

void run_tokenizer(CaseFolder& folder) {
  constexpr std::int64_t kMostBytes = 64 << 20;
  const auto path = folder.folder() / "tokenizer.model";
  const auto tokenizer =
      Tokenizer::load(read_file(path, kMostBytes, ErrorCode::kData), TokenizerStyle::kGemma);
  const auto& facts = folder.json().at("gemma_facts");
  require_fit(tokenizer, {folder.json().at("vocab_size"), facts.at("pad"), facts.at("bos")});
  compare_strings(folder, tokenizer);
  compare_batches(folder, tokenizer);
}

}  // namespace medaug::golden
