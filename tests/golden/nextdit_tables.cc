// SPDX-License-Identifier: MIT
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <regex>

#include "base/error.h"
#include "models/patches.h"
#include "nextdit_golden.h"
#include "nn/rotary.h"

namespace medaug::golden {
namespace {

// Numbers after `word` in a description: "rows 0,1,2" gives 0, 1, 2.
std::vector<std::int64_t> numbers_after(const std::string& text, const std::string& word) {
  std::smatch found;
  if (!std::regex_search(text, found, std::regex(word + R"( (\d+(?:,\d+)*))"))) {
    throw Error(ErrorCode::kData, "case.json", "no numbers after '" + word + "' in: " + text);
  }
  const std::string list = found[1];
  const std::regex number(R"(\d+)");
  std::vector<std::int64_t> values;
  for (std::sregex_iterator it(list.begin(), list.end(), number), end; it != end; ++it) {
    values.push_back(std::stoll(it->str()));
  }
  return values;
}

// "base", "linear1.5" or "ntk2_t1".
nn::RotaryOptions rotary_named(const std::string& scaling, std::int64_t head_dim) {
  nn::RotaryOptions options{.head_dim = head_dim};
  std::smatch found;
  if (std::regex_search(scaling, found, std::regex(R"(^(linear|ntk)([0-9.]+))"))) {
    (found[1] == "linear" ? options.linear : options.ntk) = std::stod(found[2]);
  } else if (scaling != "base") {
    throw Error(ErrorCode::kData, "rope", "unknown scaling '" + scaling + "'");
  }
  return options;
}

void compare_rotary_file(CaseFolder& folder, const std::string& file, const std::string& what,
                         std::int64_t head_dim) {
  const auto rows = numbers_after(what, "rows");
  const auto columns = numbers_after(what, "columns");
  const auto height = *std::max_element(rows.begin(), rows.end()) + 1;
  const auto width = *std::max_element(columns.begin(), columns.end()) + 1;
  for (const auto& tensor : folder.tensors(file)) {
    const auto dot = tensor.rfind('.');
    const std::int64_t part = tensor.substr(dot + 1) == "cos" ? 0 : 1;
    const auto options = rotary_named(tensor.substr(0, dot), head_dim);
    const auto table =
        nn::rotary_table(height, width, options).view({height, width, head_dim / 2, 2});
    const auto chosen = table.select(3, part)
                            .index_select(0, at::tensor(rows))
                            .index_select(1, at::tensor(columns));
    folder.compare(file, tensor, chosen);  // (rows, columns, d / 2)
  }
}

// "NextDiT_2B_GQA_patch2 in_channels 16", or "... without qk_norm".
NextDiTOptions options_named(const std::string& name) {
  auto options = nextdit_preset(name.find("GQA") != std::string::npos ? "2b-gqa" : "2b");
  std::smatch found;
  const bool other = std::regex_search(name, found, std::regex(R"(in_channels (\d+))"));
  options.in_channels = options.out_channels = other ? std::stoll(found[1]) : 4;
  options.patch_size = 2;
  options.mask_classes = options.bottleneck = options.augment_features = 0;
  options.conv_channels.clear();
  options.caption_dim = 2048;
  options.ffn_multiple_of = 256;
  options.learn_sigma = true;
  options.qk_norm =
      name.find("without qk_norm") != std::string::npos ? QkNorm::kNone : QkNorm::kLayer;
  return options;
}

void compare_layout(CaseFolder& folder, const std::string& file, const std::string& name,
                    const Json& layout) {
  const NextDiT network(options_named(name), 0, at::kMeta);
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  for (const auto& parameter : network.named_parameters()) {
    ++tensors;
    parameters += parameter.value().numel();
    if (layout.contains("shapes") &&
        layout.at("shapes").value(parameter.key(), std::vector<std::int64_t>{-1}) !=
            parameter.value().sizes().vec()) {
      folder.fail(file, name + " " + parameter.key(), "has another shape, or is not listed");
    }
  }
  folder.compare_counts(file, name + " tensors", tensors, layout.at("tensors"));
  folder.compare_counts(file, name + " parameters", parameters, layout.at("parameters"));
}

}  // namespace

void compare_tables(CaseFolder& folder) {
  for (const auto& [file, entry] : folder.json().at("files").items()) {
    std::smatch found;
    if (std::regex_match(file, found, std::regex(R"(rope_head(\d+)\.safetensors)"))) {
      compare_rotary_file(folder, file, entry.at("what"), std::stoll(found[1]));
    }
    if (file == "time_embedding.safetensors") {
      const auto width =
          folder.tensors(file).empty() ? 0 : folder.stored(file, "embedding").size(1);
      folder.compare(file, "embedding", time_embedding(folder.input(file, "t"), width));
    }
  }
}

void compare_layouts(CaseFolder& folder) {
  for (const auto& entry : folder.json().at("files").items()) {
    if (entry.key().starts_with("layout")) {
      const auto layouts = folder.read_json(entry.key());
      for (const auto& [name, layout] : layouts.items()) {
        compare_layout(folder, entry.key(), name, layout);
      }
    }
  }
}

}  // namespace medaug::golden
