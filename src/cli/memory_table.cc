// SPDX-License-Identifier: MIT
#include "cli/memory_table.h"

#include <array>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cli/estimate.h"
#include "cli/report.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

// GiB that the driver shows. What is left of them: the context of CUDA and its libraries is gone,
// and the allocator does not find room for everything that is free.
struct Card {
  const char* name;
  double gib;
};
constexpr std::array<Card, 4> kCards{
    {{"24 GB", 24.0}, {"40 GB", 40.0}, {"80 GB", 80.0}, {"141 GB", 140.0}}};
constexpr double kContextBytes = 0.7e9, kUsedShare = 0.95;

constexpr std::int64_t kRank = 16;
constexpr std::int64_t kLatentCaptionTokens = 256;

struct Kind {
  const char* name;
  bool low_state;
  std::int64_t rank;
};
constexpr std::array<Kind, 3> kKinds{{{"all weights", false, 0},
                                      {"all weights, bf16 state", true, 0},
                                      {"LoRA, rank 16", false, kRank}}};

struct Subject {
  std::string name;
  MemorySetting setting;
};

double available(const Card& card) {
  return (card.gib * 1024.0 * 1024.0 * 1024.0 - kContextBytes) * kUsedShare;
}

/// On a GPU, whatever this machine has; how it is trained is filled in by each line of the table.
MemorySetting on_gpu(const RunConfig& config) {
  auto out = memory_setting(config);
  out.gpu = true;
  out.lora = {};
  return out;
}

std::vector<Subject> subjects(const RunConfig& config) {
  std::vector<Subject> out;
  const auto own = on_gpu(config);
  out.push_back(
      {concat({"this config, ", std::to_string(own.height), " x ", std::to_string(own.width)}),
       own});
  for (const auto* preset : {"2b", "2b-gqa"}) {
    for (const std::int64_t pixels : {512, 1024}) {
      auto setting = own;
      setting.model = nextdit_preset(preset);
      setting.autoencoder = AutoencoderOptions{};  // SDXL's
      setting.height = setting.width = pixels / 8;
      setting.caption_tokens = kLatentCaptionTokens;
      out.push_back({concat({preset, ", latents of ", std::to_string(pixels), " x ",
                             std::to_string(pixels), " pixels"}),
                     setting});
    }
  }
  return out;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

/// One line of the table, and the same for machines.
std::string row_of(const Subject& subject, const Kind& kind, bool checkpointed, Json& json) {
  auto setting = subject.setting;
  setting.low_state = kind.low_state;
  setting.lora.rank = kind.rank;
  setting.checkpointed = checkpointed;
  const auto memory = estimate_memory(setting);
  const double fixed = memory.weights + memory.state + memory.gradients;
  auto line = concat({"  ", padded(kind.name, 26), padded(checkpointed ? "yes" : "no", 14),
                      padded(human_bytes(fixed), 12), padded(human_bytes(memory.per_image), 12)});
  Json batches = Json::object();
  for (const auto& card : kCards) {
    const auto batch = memory.largest_batch(available(card));
    line += padded(batch > 0 ? std::to_string(batch) : "-", 8);
    batches[card.name] = batch;
  }
  json.push_back({{"model", subject.name},
                  {"training", kind.name},
                  {"checkpointed", checkpointed},
                  {"trained", memory.trained},
                  {"fixed_bytes", fixed},
                  {"image_bytes", memory.per_image},
                  {"largest_batch", batches}});
  return line + "\n";
}

}  // namespace

Result memory_table(const RunConfig& config) {
  Result result;
  Json rows = Json::array();
  result.text = concat({"largest batch by memory of the GPU; an estimate, ",
                        std::to_string(config.training.averages()),
                        " averages of the weights (training.ema_half_life)\n"});
  for (const auto& subject : subjects(config)) {
    const auto tokens = subject.setting.height / subject.setting.model.patch_size *
                        (subject.setting.width / subject.setting.model.patch_size);
    result.text += concat({"\n", subject.name, " (", std::to_string(tokens), " tokens)\n  ",
                           padded("trained", 26), padded("checkpointed", 14), padded("weights", 12),
                           padded("an image", 12)});
    for (const auto& card : kCards) {
      result.text += padded(card.name, 8);
    }
    result.text += "\n";
    for (const auto& kind : kKinds) {
      for (const bool checkpointed : {false, true}) {
        result.text += row_of(subject, kind, checkpointed, rows);
      }
    }
  }
  result.json["rows"] = rows;
  return result;
}

}  // namespace medaug::cli
