// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"

namespace medaug {

/// Size of a Gemma 1 network, under transformers' names. Defaults are those of google/gemma-2b.
struct GemmaOptions {
  std::int64_t vocab_size = 256'000;
  std::int64_t hidden_size = 2048;
  std::int64_t intermediate_size = 16'384;
  std::int64_t num_hidden_layers = 18;
  std::int64_t num_attention_heads = 8;
  std::int64_t num_key_value_heads = 1;  ///< head j serves the queries j r .. j r + r - 1
  std::int64_t head_dim = 256;           ///< heads x head_dim need not be hidden_size
  double rms_norm_eps = 1e-6;
  double rope_theta = 10'000.0;
  std::int64_t max_position_embeddings = 8192;
  std::int64_t pad_token_id = 0;
  std::int64_t bos_token_id = 2;
};

/// The options in a `config.json` of transformers. Whatever `hidden_act` says of GELU, its tanh
/// form is meant: Lumina's weights were trained with it.
/// @param where  the file, for errors
/// @throws Error kCheckpoint naming the field: another model than Gemma 1, or a setting of it that
/// is not known here
GemmaOptions gemma_options_from_json(const nlohmann::ordered_json& json, const std::string& where);

}  // namespace medaug
