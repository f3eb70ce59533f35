// SPDX-License-Identifier: MIT
// Names of autoencoder tensors in other programs' files, brought to diffusers'.

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/ascii.h"
#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/autoencoder_file.h"

namespace medaug {
namespace {

using Parts = std::vector<std::string>;
using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<Pair, 4> kOldAttention{{
    {"query", "to_q"},
    {"key", "to_k"},
    {"value", "to_v"},
    {"proj_attn", "to_out.0"},
}};
constexpr std::array<Pair, 5> kLdmAttention{{
    {"norm", "group_norm"},
    {"q", "to_q"},
    {"k", "to_k"},
    {"v", "to_v"},
    {"proj_out", "to_out.0"},
}};

Parts split(const std::string& name) {
  Parts parts(1);
  for (const char c : name) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::optional<std::int64_t> number_of(const std::string& text) {
  const auto value = number_in<std::int64_t>(text);
  return value && *value >= 0 && *value < 1000 ? value : std::nullopt;
}

template <std::size_t N>
std::string translated(const std::array<Pair, N>& table, const std::string& word) {
  for (const auto& [from, to] : table) {
    if (word == from) {
      return std::string(to);
    }
  }
  return word;
}

std::string tail(const Parts& parts, std::size_t first) {
  return join(std::span(parts).subspan(first), ".");
}

/// A layer of a residual block: its short cut has another name.
std::string resnet_layer(Parts parts, std::size_t first) {
  if (first < parts.size() && parts[first] == "nin_shortcut") {
    parts[first] = "conv_shortcut";
  }
  return tail(parts, first);
}

/// encoder.down.N.block.M.LAYER, decoder.up.N.block.M.LAYER, .downsample.conv, .upsample.conv. The
/// decoder counts its levels from full resolution there, as they follow one another here.
std::string ldm_level_name(const Parts& p, std::int64_t levels) {
  const auto number = number_of(p[2]);
  if (p.size() < 5 || !number || *number >= levels) {
    return join(p, ".");
  }
  const bool up = p[1] == "up";
  const auto head = p[0] + (up ? ".up_blocks." : ".down_blocks.") +
                    std::to_string(up ? levels - 1 - *number : *number);
  if (p[3] == "block" && p.size() > 5) {
    return head + ".resnets." + p[4] + "." + resnet_layer(p, 5);
  }
  if (p[3] == (up ? "upsample" : "downsample")) {
    return head + (up ? ".upsamplers.0." : ".downsamplers.0.") + tail(p, 4);
  }
  return join(p, ".");
}

std::string ldm_name(const std::string& name, std::int64_t levels) {
  const auto p = split(name);
  if (p.size() < 3 || (p[0] != "encoder" && p[0] != "decoder")) {
    return name;
  }
  if (p[1] == "norm_out") {
    return p[0] + ".conv_norm_out." + tail(p, 2);
  }
  if (p[1] == "mid" && p.size() > 4) {
    if (p[2] == "block_1" || p[2] == "block_2") {
      return p[0] + ".mid_block.resnets." + (p[2] == "block_1" ? "0." : "1.") + resnet_layer(p, 3);
    }
    if (p[2] == "attn_1") {
      return p[0] + ".mid_block.attentions.0." + translated(kLdmAttention, p[3]) + "." + tail(p, 4);
    }
  }
  return p[1] == "down" || p[1] == "up" ? ldm_level_name(p, levels) : name;
}

/// The number of levels that latent-diffusion's names count, or 0 when these are not such names.
std::int64_t ldm_levels(const SafetensorsFile& weights) {
  std::int64_t levels = 0;
  for (const auto& [name, tensor] : weights.tensors) {
    const auto p = split(name);
    if (p.size() > 3 && p[0] == "decoder" && p[1] == "up") {
      levels = std::max(levels, number_of(p[2]).value_or(-1) + 1);
    }
  }
  return levels;
}

std::string old_attention_name(const std::string& name) {
  auto p = split(name);
  const bool attention = p.size() == 6 && p[2] == "attentions";
  return attention
             ? join(std::span(p).first(4), ".") + "." + translated(kOldAttention, p[4]) + "." + p[5]
             : name;
}

/// Attention layers were 1 x 1 convolutions once.
at::Tensor without_kernel(const std::string& name, const at::Tensor& tensor) {
  const bool point = name.find(".attentions.") != std::string::npos && tensor.dim() == 4 &&
                     tensor.size(2) == 1 && tensor.size(3) == 1;
  return point ? tensor.flatten(1) : tensor;
}

}  // namespace

SafetensorsFile with_diffusers_names(SafetensorsFile weights) {
  const auto levels = ldm_levels(weights);
  std::map<std::string, at::Tensor> renamed;
  for (const auto& [own, tensor] : weights.tensors) {
    const auto name = levels > 0 ? ldm_name(own, levels) : old_attention_name(own);
    if (!renamed.emplace(name, without_kernel(name, tensor)).second) {
      throw Error(ErrorCode::kCheckpoint, printable(weights.path.string(), 1000),
                  "tensor '" + printable(own) + "' stands for '" + printable(name) +
                      "', which is there twice");
    }
  }
  weights.tensors = std::move(renamed);
  return weights;
}

}  // namespace medaug
