// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/options_from.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "checkpoint/config_json.h"
#include "checkpoint/safetensors_header.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

constexpr const char* kClass = "LuminaNextDiT2DModel";

using Shape = std::vector<std::int64_t>;

class Shapes {
 public:
  Shapes(const TensorShapes& all, const std::string& where) : all_(all), where_(where) {}

  bool has(const std::string& name) const { return all_.contains(name); }

  /// A side of a tensor that must be there and have this rank.
  std::int64_t side(const std::string& name, std::size_t rank, std::size_t which) const {
    const auto found = all_.find(name);
    if (found == all_.end()) {
      refuse(name, "is missing", "the file is not whole, or not of a NextDiT");
    }
    const Shape& shape = found->second;
    if (shape.size() != rank || *std::min_element(shape.begin(), shape.end()) < 1) {
      refuse(name, "has shape " + shape_text(shape), "no NextDiT has such a tensor");
    }
    return shape[which];
  }
  std::int64_t rows(const std::string& name) const { return side(name, 2, 0); }
  std::int64_t columns(const std::string& name) const { return side(name, 2, 1); }
  std::int64_t length(const std::string& name) const { return side(name, 1, 0); }

  [[noreturn]] void refuse(const std::string& name, const std::string& what,
                           const std::string& hint) const {
    throw Error(ErrorCode::kCheckpoint, where_ + ": tensor '" + printable(name) + "'", what, hint);
  }

 private:
  const TensorShapes& all_;
  const std::string& where_;
};

/// The highest number behind `layers.`, and one more.
std::int64_t layer_count(const TensorShapes& shapes) {
  std::int64_t count = 0;
  while (shapes.contains("layers." + std::to_string(count) + ".attention.wq.weight")) {
    ++count;
  }
  return count;
}

/// Lumina-Next-T2I was first published with shift, scale and gate for both halves of a block.
void check_modulation(const Shapes& shapes, std::int64_t dim) {
  const std::string name = "layers.0.adaLN_modulation.1.weight";
  const auto rows = shapes.rows(name);
  if (rows == 6 * dim) {
    shapes.refuse(name, "has six parts (shift, scale, gate); NextDiT has four",
                  "this is the first upload of Lumina-Next-T2I (8.42 GB): take the present files "
                  "(6.51 GB)");
  }
  if (rows != 4 * dim) {
    shapes.refuse(
        name, "has " + std::to_string(rows) + " rows, 4 x " + std::to_string(dim) + " are needed",
        "no NextDiT has such a tensor");
  }
}

void set_ends(const Shapes& shapes, NextDiTOptions& o) {
  const std::string name = "final_layer.linear.weight";
  const auto square = o.patch_size * o.patch_size;
  const auto in = shapes.columns("x_embedder.weight"), out = shapes.rows(name);
  if (in % square != 0) {
    shapes.refuse("x_embedder.weight",
                  "has " + std::to_string(in) + " columns, which patches of " +
                      std::to_string(o.patch_size) + " x " + std::to_string(o.patch_size) +
                      " do not divide",
                  "give the side of a patch: --patch-size");
  }
  if (out != in && out != 2 * in) {
    shapes.refuse(name,
                  "has " + std::to_string(out) + " rows; " + std::to_string(in) + " or " +
                      std::to_string(2 * in) + " go with its x_embedder",
                  "no NextDiT of these projects has other channels out than in");
  }
  o.in_channels = o.out_channels = in / square;
  o.learn_sigma = out == 2 * in;
}

void set_heads(const Shapes& shapes, const KnownOptions& known, NextDiTOptions& o) {
  const std::string gate = "layers.0.attention.gate", keys = "layers.0.attention.wk.weight";
  if (!shapes.has(gate) && !known.heads) {
    shapes.refuse(gate, "is missing, so that the number of heads is not known", "give it: --heads");
  }
  o.heads = shapes.has(gate) ? shapes.length(gate) : *known.heads;
  if (known.heads && *known.heads != o.heads) {
    shapes.refuse(
        gate, "is of " + std::to_string(o.heads) + " heads, not of " + std::to_string(*known.heads),
        "--heads or config.json is of another model");
  }
  if (o.heads < 1 || o.dim % o.heads != 0 || shapes.rows(keys) % (o.dim / o.heads) != 0) {
    shapes.refuse(
        keys,
        "does not divide into heads of " + std::to_string(o.dim) + " / " + std::to_string(o.heads),
        "no NextDiT has such a tensor");
  }
  const auto key_heads = shapes.rows(keys) / (o.dim / o.heads);
  o.kv_heads = key_heads == o.heads ? 0 : key_heads;
}

/// Any pair of options that gives this width is as good as another: the published one (256) first.
void set_hidden(std::int64_t hidden, NextDiTOptions& o) {
  o.ffn_multiplier = 0.0;
  for (o.ffn_multiple_of = 256; o.ffn_multiple_of > 1; o.ffn_multiple_of /= 2) {
    if (ffn_hidden(o) == hidden) {
      return;
    }
  }
  const auto base = ffn_hidden(o);  // with a multiple of 1
  // Half of one more, so that rounding down meets the width.
  o.ffn_multiplier =
      base == hidden ? 0.0 : (static_cast<double>(hidden) + 0.5) / static_cast<double>(base);
}

bool is_diffusers(const fs::path& config) { return config.filename() == "config.json"; }

[[noreturn]] void refuse_key(const fs::path& config, const std::string& key,
                             const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorCode::kCheckpoint, printable(config.string(), 1000) + ": " + key, what, hint);
}

template <class Value>
std::optional<Value> number(const fs::path& config, const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) {
    return std::nullopt;
  }
  if (std::is_integral_v<Value> ? !found->is_number_integer() : !found->is_number()) {
    refuse_key(config, key, printable(found->dump(), 40) + " is not a number that it can be");
  }
  return found->get<Value>();
}

void check_class(const fs::path& config, const Json& json) {
  const auto found = json.find("_class_name");
  const auto name = found != json.end() && found->is_string() ? found->get<std::string>() : "";
  if (name == kClass) {
    return;
  }
  refuse_key(config, "_class_name", "is '" + printable(name) + "', " + kClass + " is needed",
             name == "Lumina2Transformer2DModel" ? "Lumina-Image-2.0 is another network" : "");
}

}  // namespace

NextDiTOptions options_from_shapes(const TensorShapes& all, const KnownOptions& known,
                                   const std::string& where) {
  const Shapes shapes(all, where);
  NextDiTOptions o;
  o.mask_classes = 0;
  o.patch_size = std::clamp<std::int64_t>(known.patch_size.value_or(2), 1, 128);
  o.norm_eps = known.norm_eps.value_or(o.norm_eps);
  o.dim = shapes.rows("x_embedder.weight");
  o.layers = layer_count(all);
  o.caption_dim = shapes.has("cap_embedder.0.weight") ? shapes.length("cap_embedder.0.weight") : 0;
  o.qk_norm = shapes.has("layers.0.attention.q_norm.weight") ? QkNorm::kLayer : QkNorm::kNone;
  shapes.rows("layers.0.attention.wq.weight");
  check_modulation(shapes, o.dim);
  set_ends(shapes, o);
  set_heads(shapes, known, o);
  set_hidden(shapes.rows("layers.0.feed_forward.w1.weight"), o);
  o = from_json<NextDiTOptions>(to_json(o), where + ": network");  // the range of each field
  try {
    validate(o, "network");
  } catch (const Error& e) {
    throw Error(ErrorCode::kCheckpoint, where, e.message());
  }
  return o;
}

KnownOptions known_from_config(const fs::path& config, const KnownOptions& given) {
  KnownOptions known = given;
  if (config.empty()) {
    return known;
  }
  const auto json = read_config_json(config);
  const bool diffusers = is_diffusers(config);
  if (diffusers) {
    check_class(config, json);
  }
  const auto fill = [](auto& field, const auto& value) { field = field ? field : value; };
  fill(known.norm_eps, number<double>(config, json, "norm_eps"));
  fill(known.patch_size, number<std::int64_t>(config, json, "patch_size"));
  if (diffusers) {
    fill(known.heads, number<std::int64_t>(config, json, "num_attention_heads"));
    fill(known.sample_size, number<std::int64_t>(config, json, "sample_size"));
  }
  return known;
}

void check_config(const fs::path& config, const NextDiTOptions& o) {
  if (config.empty() || !is_diffusers(config)) {
    return;
  }
  const auto json = read_config_json(config);
  const auto compare = [&](const char* key, std::int64_t want) {
    const auto said = number<std::int64_t>(config, json, key);
    if (said && *said != want) {
      refuse_key(config, key,
                 "is " + std::to_string(*said) + ", the tensors have " + std::to_string(want),
                 "config and weights are not of one model");
    }
  };
  compare("in_channels", o.in_channels);
  compare("hidden_size", o.dim);
  compare("num_layers", o.layers);
  compare("num_attention_heads", o.heads);
  compare("num_kv_heads", o.kv_heads > 0 ? o.kv_heads : o.heads);
  compare("cross_attention_dim", o.caption_dim);
  const auto compare_flag = [&](const char* key, bool want) {
    const auto said = json.find(key);
    if (said != json.end() && said->is_boolean() && said->get<bool>() != want) {
      refuse_key(config, key,
                 want ? "is false, the tensors say true" : "is true, the tensors say false",
                 "config and weights are not of one model");
    }
  };
  compare_flag("qk_norm", o.qk_norm == QkNorm::kLayer);
  compare_flag("learn_sigma", o.learn_sigma);
}

std::string lumina_model_name(const NextDiTOptions& o) {
  const auto same = [&](const char* preset) {
    auto p = nextdit_preset(preset);
    // What upstream gives beside the name.
    p.preset = o.preset;
    p.qk_norm = o.qk_norm;
    p.caption_dim = o.caption_dim;
    p.in_channels = o.in_channels;
    p.out_channels = o.out_channels;
    p.learn_sigma = o.learn_sigma;
    p.mask_classes = o.mask_classes;
    return to_json(p) == to_json(o);
  };
  return same("2b-gqa") ? "NextDiT_2B_GQA_patch2" : same("2b") ? "NextDiT_2B_patch2" : "";
}

std::string configuration_name(const NextDiTOptions& o) {
  const auto name = lumina_model_name(o);
  std::string text;
  if (name.empty()) {
    text = std::to_string(o.dim) + " wide, " + std::to_string(o.layers) + " layers, " +
           std::to_string(o.heads) + " heads";
    text += o.kv_heads > 0 ? " (" + std::to_string(o.kv_heads) + " for keys)" : "";
  } else {
    text = name == "NextDiT_2B_patch2" ? "2b" : "2b-gqa";
  }
  text += o.qk_norm == QkNorm::kLayer ? ", with qk-norm" : ", without qk-norm";
  text += o.in_channels != 4 ? ", " + std::to_string(o.in_channels) + " channels" : "";
  text += o.mask_classes > 0 ? ", " + std::to_string(o.mask_classes) + " mask classes" : "";
  return name.empty() ? text : text + " (" + name + ")";
}

}  // namespace medaug
