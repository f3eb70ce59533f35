// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fields.h"

namespace medaug {

enum class QkNorm { kNone, kLayer };
template <>
struct EnumNames<QkNorm> {
  static constexpr std::pair<QkNorm, std::string_view> kNames[] = {{QkNorm::kNone, "none"},
                                                                   {QkNorm::kLayer, "layer"}};
};

/// Where the scales and gates of a block come from.
enum class Modulation {
  kPerBlock,  ///< each block has its own projection (Lumina-Next, DiT)
  kShared,    ///< one projection for all blocks plus a learned offset per block (PixArt's
              ///< adaLN-single)
};
template <>
struct EnumNames<Modulation> {
  static constexpr std::pair<Modulation, std::string_view> kNames[] = {
      {Modulation::kPerBlock, "per_block"}, {Modulation::kShared, "shared"}};
};

/// Size and ends of a NextDiT; its block never changes. Defaults are Lumina-Next's where it has the
/// option.
struct NextDiTOptions {
  std::string preset;           ///< fills the fields below that the config does not set
  std::int64_t patch_size = 4;  ///< pixels of one token, per side
  std::int64_t in_channels = 3;
  std::int64_t out_channels =
      3;  ///< of the returned image; 2x that many leave the last layer when learn_sigma
  std::int64_t mask_classes =
      1;  ///< K; K + 1 planes go in ("mask present" is the last); 0 = no mask branch
  std::int64_t dim = 256;
  std::int64_t layers = 8;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 0;  ///< 0 = heads
  std::int64_t ffn_multiple_of = 64;
  double ffn_multiplier = 0.0;  ///< 0 = none
  double norm_eps = 1e-5;
  QkNorm qk_norm = QkNorm::kLayer;
  std::int64_t caption_dim = 128;           ///< width of the caption features; 0 = no captions
  std::int64_t bottleneck = 0;              ///< width between pixels and tokens; 0 = none
  std::vector<std::int64_t> conv_channels;  ///< widths of the convolutional ends, full resolution
                                            ///< first; empty = linear ends
  Modulation modulation = Modulation::kPerBlock;
  std::int64_t augment_features = 0;  ///< length of the augment vector; 0 = none
  bool learn_sigma = false;           ///< Lumina's unused second half of the output channels
  double rope_theta = 10000.0;
  double gate_init =
      0.0;  ///< first value of every gate before its tanh; 0 = blocks start as identity
};

template <class Visitor>
void describe(Visitor& visit, NextDiTOptions& o) {
  visit(Field{.name = "preset",
              .help = "tiny, small, base, large, 2b or 2b-gqa: fills what is not set here"},
        o.preset);
  visit(Field{.name = "patch_size", .help = "pixels of one token, per side", .min = 1, .max = 128},
        o.patch_size);
  visit(
      Field{
          .name = "in_channels", .help = "image channels; set from the data", .min = 1, .max = 64},
      o.in_channels);
  visit(Field{.name = "out_channels",
              .help = "image channels out; set from the data",
              .min = 1,
              .max = 64},
        o.out_channels);
  visit(
      Field{
          .name = "mask_classes", .help = "mask planes K; set from the data", .min = 0, .max = 254},
      o.mask_classes);
  visit(Field{.name = "dim", .help = "width of a token", .min = 8, .max = 16384}, o.dim);
  visit(Field{.name = "layers", .help = "number of blocks", .min = 1, .max = 256}, o.layers);
  visit(Field{.name = "heads",
              .help = "attention heads; dim / heads must be a multiple of 4",
              .min = 1,
              .max = 256},
        o.heads);
  visit(Field{.name = "kv_heads", .help = "key and value heads; 0 = heads", .min = 0, .max = 256},
        o.kv_heads);
  visit(Field{.name = "ffn_multiple_of",
              .help = "the hidden width 8/3 dim is rounded up to this",
              .min = 1,
              .max = 4096},
        o.ffn_multiple_of);
  visit(Field{.name = "ffn_multiplier",
              .help = "factor on the hidden width; 0 = none",
              .min = 0,
              .max = 16},
        o.ffn_multiplier);
  visit(Field{.name = "norm_eps", .help = "epsilon of the RMS norms", .min = 1e-12, .max = 1e-2},
        o.norm_eps);
  visit(Field{.name = "qk_norm", .help = "norm of queries and keys"}, o.qk_norm);
  visit(Field{.name = "caption_dim",
              .help = "width of the caption features; set from the text encoder",
              .min = 0,
              .max = 16384},
        o.caption_dim);
  visit(Field{.name = "bottleneck",
              .help = "width between pixels and tokens; 0 = none",
              .min = 0,
              .max = 4096},
        o.bottleneck);
  visit(
      Field{.name = "conv_channels",
            .help = "widths of the convolutional ends, full resolution first; empty = linear ends"},
      o.conv_channels);
  visit(Field{.name = "modulation", .help = "where scales and gates come from"}, o.modulation);
  visit(Field{.name = "augment_features",
              .help = "length of the augment vector; set from the data",
              .min = 0,
              .max = 64},
        o.augment_features);
  visit(Field{.name = "learn_sigma",
              .help = "keep Lumina's unused second half of the output channels"},
        o.learn_sigma);
  visit(Field{.name = "rope_theta", .help = "base of the rotary frequencies", .min = 1, .max = 1e9},
        o.rope_theta);
  visit(Field{.name = "gate_init",
              .help = "first value of the gates; 0 = blocks start as identity",
              .min = 0,
              .max = 4},
        o.gate_init);
}

/// Named sizes. @throws Error kConfig for an unknown name
NextDiTOptions nextdit_preset(const std::string& name);
std::vector<std::string> nextdit_preset_names();

/// @throws Error kConfig naming `where`.field: dim not divisible by heads, head width not a
/// multiple of 4, patch and conv_channels that do not fit
void validate(const NextDiTOptions& options, const std::string& where);
/// @throws Error kConfig when pictures of this size do not divide into patches; the hint names the
/// nearest sizes that do
void validate_size(const NextDiTOptions& options, std::int64_t height, std::int64_t width,
                   const std::string& where);

/// Hidden width of the SwiGLU: floor(2 * 4 dim / 3), times the multiplier, rounded up to
/// ffn_multiple_of.
std::int64_t ffn_hidden(const NextDiTOptions& options);

/// Width of the conditioning vector: min(dim, 1024).
std::int64_t conditioning_dim(const NextDiTOptions& options);

/// FLOPs of one forward pass of one image (a multiply-add counts 2).
double forward_flops(const NextDiTOptions& options, std::int64_t height, std::int64_t width,
                     std::int64_t caption_tokens);

struct TextEncoderOptions {
  std::int64_t vocabulary = 512;  ///< pieces of the tokenizer, at most
  std::int64_t max_tokens = 48;
  std::int64_t dim = 128;
  std::int64_t layers = 2;
  std::int64_t heads = 2;
};

template <class Visitor>
void describe(Visitor& visit, TextEncoderOptions& o) {
  visit(Field{.name = "vocabulary",
              .help = "pieces of the tokenizer, at most",
              .min = 300,
              .max = 64000},
        o.vocabulary);
  visit(Field{.name = "max_tokens", .help = "longer captions are cut", .min = 4, .max = 1024},
        o.max_tokens);
  visit(Field{.name = "dim", .help = "width of the caption features", .min = 8, .max = 4096},
        o.dim);
  visit(Field{.name = "layers", .help = "transformer layers", .min = 0, .max = 48}, o.layers);
  visit(Field{.name = "heads", .help = "attention heads", .min = 1, .max = 64}, o.heads);
}

/// @throws Error kConfig when dim is not divisible by heads
void validate(const TextEncoderOptions& options, const std::string& where);

}  // namespace medaug
