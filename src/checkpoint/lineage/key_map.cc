// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/key_map.h"

#include <algorithm>
#include <array>
#include <span>

namespace medaug {
namespace {

/// One layer, or one parameter that belongs to none: names without `.weight` and `.bias`.
struct Row {
  std::string_view lumina;
  std::string_view diffusers;
  std::string_view second = {};  ///< where diffusers keeps a copy
  std::string_view older = {};   ///< as diffusers named it before
};

constexpr std::array<Row, 8> kEnds{{
    {"pad_token", "pad_token"},
    {"x_embedder", "patch_embedder.proj", "", "patch_embedder"},
    {"t_embedder.mlp.0", "time_caption_embed.timestep_embedder.linear_1"},
    {"t_embedder.mlp.2", "time_caption_embed.timestep_embedder.linear_2"},
    {"cap_embedder.0", "time_caption_embed.caption_embedder.0"},
    {"cap_embedder.1", "time_caption_embed.caption_embedder.1"},
    {"final_layer.linear", "norm_out.linear_2"},
    {"final_layer.adaLN_modulation.1", "norm_out.linear_1"},
}};

/// Behind `layers.N.`
constexpr std::array<Row, 19> kBlock{{
    {"attention.gate", "gate"},
    {"attention.wq", "attn1.to_q", "attn2.to_q"},
    {"attention.wk", "attn1.to_k"},
    {"attention.wv", "attn1.to_v"},
    {"attention.wk_y", "attn2.to_k"},
    {"attention.wv_y", "attn2.to_v"},
    {"attention.wo", "attn2.to_out.0"},
    {"attention.q_norm", "attn1.norm_q", "attn2.norm_q"},
    {"attention.k_norm", "attn1.norm_k"},
    {"attention.ky_norm", "attn2.norm_k"},
    {"feed_forward.w1", "feed_forward.linear_1"},
    {"feed_forward.w2", "feed_forward.linear_2"},
    {"feed_forward.w3", "feed_forward.linear_3"},
    {"attention_norm1", "norm1.norm", "", "attn_norm1"},
    {"attention_norm2", "norm2", "", "attn_norm2"},
    {"attention_y_norm", "norm1_context"},
    {"adaLN_modulation.1", "norm1.linear", "", "adaLN_modulation.1"},
    {"ffn_norm1", "ffn_norm1"},
    {"ffn_norm2", "ffn_norm2"},
}};

/// A name as `layers.N.` + layer + `.weight`; the first and the last part may be empty.
struct Key {
  std::string_view block;
  std::string_view layer;
  std::string_view parameter;

  explicit Key(std::string_view name) : layer(name) {
    constexpr std::string_view kLayers = "layers.";
    if (name.starts_with(kLayers)) {
      const auto dot = name.find('.', kLayers.size());
      block = name.substr(0, dot == std::string_view::npos ? name.size() : dot + 1);
      layer.remove_prefix(block.size());
    }
    for (const std::string_view end : {".weight", ".bias"}) {
      if (layer.ends_with(end)) {
        layer.remove_suffix(end.size());
        parameter = end;
        return;
      }
    }
  }
  std::span<const Row> rows() const {
    return block.empty() ? std::span<const Row>(kEnds) : std::span<const Row>(kBlock);
  }
  std::string with(std::string_view other_layer) const {
    return std::string(block).append(other_layer).append(parameter);
  }
};

}  // namespace

std::vector<std::string> diffusers_keys(std::string_view name) {
  const Key key(name);
  std::vector<std::string> names;
  for (const auto& row : key.rows()) {
    if (row.lumina == key.layer) {
      names.push_back(key.with(row.diffusers));
      if (!row.second.empty()) {
        names.push_back(key.with(row.second));
      }
    }
  }
  return names;
}

std::optional<std::string> lumina_key(std::string_view name) {
  const Key key(name);
  const auto rows = key.rows();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
    return !key.layer.empty() &&
           (row.diffusers == key.layer || row.second == key.layer || row.older == key.layer);
  });
  return found == rows.end() ? std::nullopt : std::optional(key.with(found->lumina));
}

}  // namespace medaug
