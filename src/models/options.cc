// SPDX-License-Identifier: MIT
#include "models/options.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/strings.h"

namespace medaug {
namespace {

struct Preset {
  const char* name;
  NextDiTOptions options;
};

NextDiTOptions sized(std::int64_t patch, std::int64_t dim, std::int64_t layers,
                     std::int64_t heads) {
  NextDiTOptions o;
  o.patch_size = patch;
  o.dim = dim;
  o.layers = layers;
  o.heads = heads;
  return o;
}

std::vector<Preset> presets() {
  auto tiny = sized(4, 64, 2, 2);
  tiny.conv_channels = {16};
  tiny.modulation = Modulation::kShared;
  auto small = sized(4, 256, 6, 4);
  small.conv_channels = {32, 64};
  small.modulation = Modulation::kShared;
  small.gate_init = 0.5;
  auto base = sized(16, 768, 12, 12);
  base.bottleneck = 128;
  base.modulation = Modulation::kShared;
  auto large = sized(32, 1024, 24, 16);
  large.bottleneck = 128;
  large.modulation = Modulation::kShared;
  auto two = sized(2, 2304, 24, 32);
  two.in_channels = two.out_channels = 4;
  two.mask_classes = 0;
  two.ffn_multiple_of = 256;
  two.caption_dim = 2048;
  two.learn_sigma = true;
  auto two_gqa = two;
  two_gqa.kv_heads = 8;
  return {{"tiny", tiny},   {"small", small}, {"base", base},
          {"large", large}, {"2b", two},      {"2b-gqa", two_gqa}};
}

[[noreturn]] void refuse(const std::string& where, const char* field, const std::string& message,
                         const std::string& hint) {
  throw Error(ErrorCode::kConfig, where + "." + field, message, hint);
}

std::int64_t key_width(const NextDiTOptions& o) {
  return o.dim / o.heads * (o.kv_heads > 0 ? o.kv_heads : o.heads);
}

void validate_ends(const NextDiTOptions& o, const std::string& where) {
  const auto levels = static_cast<std::int64_t>(o.conv_channels.size());
  if (levels == 0) {
    return;
  }
  if (o.patch_size % (1LL << (levels - 1)) != 0) {
    refuse(
        where, "conv_channels",
        std::to_string(levels) + " levels do not divide patch_size " + std::to_string(o.patch_size),
        "each level after the first halves the side: patch_size must be a multiple of " +
            std::to_string(1LL << (levels - 1)));
  }
  if (std::any_of(o.conv_channels.begin(), o.conv_channels.end(),
                  [](auto c) { return c < 4 || c > 4096; })) {
    refuse(where, "conv_channels", "widths must be in [4, 4096]", "for example [32, 64]");
  }
  if (o.learn_sigma) {
    refuse(where, "learn_sigma", "has no meaning with conv_channels", "leave one of them out");
  }
}

}  // namespace

std::vector<std::string> nextdit_preset_names() {
  std::vector<std::string> names;
  for (const auto& preset : presets()) {
    names.emplace_back(preset.name);
  }
  return names;
}

NextDiTOptions nextdit_preset(const std::string& name) {
  for (const auto& preset : presets()) {
    if (name == preset.name) {
      auto options = preset.options;
      options.preset = name;
      return options;
    }
  }
  throw Error(ErrorCode::kConfig, "model.preset", "unknown preset '" + printable(name) + "'",
              "allowed: " + join(nextdit_preset_names(), ", "));
}

void validate(const NextDiTOptions& o, const std::string& where) {
  if (o.dim % o.heads != 0) {
    refuse(where, "heads",
           std::to_string(o.heads) + " heads do not divide dim " + std::to_string(o.dim),
           "dim must be a multiple of heads");
  }
  if (o.dim / o.heads % 4 != 0) {
    refuse(where, "heads",
           "dim / heads is " + std::to_string(o.dim / o.heads) + ", which is not a multiple of 4",
           "the 2-D rotary embedding needs four numbers a step");
  }
  if (o.kv_heads > 0 && o.heads % o.kv_heads != 0) {
    refuse(where, "kv_heads",
           std::to_string(o.kv_heads) + " does not divide heads " + std::to_string(o.heads),
           "use 0 for as many as heads");
  }
  validate_ends(o, where);
}

void validate(const TextEncoderOptions& o, const std::string& where) {
  if (o.dim % o.heads != 0) {
    refuse(where, "heads",
           std::to_string(o.heads) + " heads do not divide dim " + std::to_string(o.dim),
           "choose heads that divide the width");
  }
}

void validate_size(const NextDiTOptions& o, std::int64_t height, std::int64_t width,
                   const std::string& where) {
  if (height % o.patch_size == 0 && width % o.patch_size == 0 && height > 0 && width > 0) {
    return;
  }
  const auto near = [&](std::int64_t side) {
    return std::max<std::int64_t>(1, (side + o.patch_size / 2) / o.patch_size) * o.patch_size;
  };
  refuse(
      where, "image_size",
      std::to_string(height) + " x " + std::to_string(width) +
          " is not a multiple of the patch of " + std::to_string(o.patch_size),
      "the nearest size is " + std::to_string(near(height)) + " x " + std::to_string(near(width)));
}

std::int64_t ffn_hidden(const NextDiTOptions& o) {
  auto hidden = 2 * (4 * o.dim) / 3;
  if (o.ffn_multiplier > 0.0) {
    hidden = static_cast<std::int64_t>(o.ffn_multiplier * static_cast<double>(hidden));
  }
  return (hidden + o.ffn_multiple_of - 1) / o.ffn_multiple_of * o.ffn_multiple_of;
}

std::int64_t conditioning_dim(const NextDiTOptions& o) {
  return std::min<std::int64_t>(o.dim, 1024);
}

double forward_flops(const NextDiTOptions& o, std::int64_t height, std::int64_t width,
                     std::int64_t caption_tokens) {
  const auto real = [](std::int64_t x) { return static_cast<double>(x); };
  const double tokens = real(height / o.patch_size * (width / o.patch_size));
  const double d = real(o.dim), captions = o.caption_dim > 0 ? real(caption_tokens) : 0.0;
  const double linear =
      tokens * (2.0 * d * d + 2.0 * d * real(key_width(o)) + 3.0 * d * real(ffn_hidden(o)));
  const double caption = captions * 2.0 * real(o.caption_dim) * real(key_width(o));
  const double attention = 2.0 * tokens * (tokens + captions) * d;
  double total = real(o.layers) * (linear + caption + attention);
  double token_width = real(o.patch_size * o.patch_size * o.in_channels);
  double pixels = real(height * width);
  for (std::size_t i = 0; i < o.conv_channels.size(); ++i) {
    const double c = real(o.conv_channels[i]);
    total += pixels *
             (4.0 * 9.0 * c * c + 2.0 * c * c);  // two blocks of two convolutions, and the merge
    if (i == 0) {
      total += pixels * 9.0 * c * real(o.in_channels + o.mask_classes + 1 + o.out_channels);
    }
    if (i + 1 < o.conv_channels.size()) {
      total += 2.0 * pixels * c * real(o.conv_channels[i + 1]);
      pixels /= 4.0;
    } else {
      token_width = pixels / tokens * c;
    }
  }
  total += 2.0 * tokens * token_width * d;
  return 2.0 * total;
}

}  // namespace medaug
