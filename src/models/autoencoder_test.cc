// SPDX-License-Identifier: MIT
#include "models/autoencoder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "models/tiles.h"

namespace medaug {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AutoencoderOptions tiny() {
  AutoencoderOptions o;
  o.block_out_channels = {8, 16, 16};
  o.layers_per_block = 1;
  o.norm_num_groups = 4;
  return o;
}

template <class Action>
std::string error_of(const Action& action, ErrorCode code = ErrorCode::kInvalidArgument) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

std::int64_t count_of(const Autoencoder& model, const std::string& prefix) {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : nn::named_parameters(model)) {
    count += name.starts_with(prefix) ? tensor.numel() : 0;
  }
  return count;
}

class AutoencoderTest : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(1); }
};

TEST_F(AutoencoderTest, SdxlHasThePublishedCounts) {
  const Autoencoder model({}, std::nullopt, at::kMeta);
  EXPECT_EQ(nn::named_parameters(model).size(), 248);
  EXPECT_EQ(nn::parameter_count(model), 83'653'863);
  EXPECT_EQ(count_of(model, "encoder."), 34'163'592);
  EXPECT_EQ(count_of(model, "decoder."), 49'490'179);
  EXPECT_EQ(model.downscale(), 8);
}

TEST_F(AutoencoderTest, SdxlHasThePublishedKeysAndShapes) {
  const char* const shared = std::getenv("MEDAUG_SHARED");
  const auto path =
      std::filesystem::path(shared != nullptr ? shared : "") / "golden/vae_tiny/layout_sdxl.json";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << path << " is not there";
  }
  const auto shapes =
      parse_json(read_file(path, 1 << 20, ErrorCode::kData), path.string()).at("shapes");
  const Autoencoder model({}, std::nullopt, at::kMeta);
  const auto parameters = nn::named_parameters(model);
  EXPECT_EQ(parameters.size(), shapes.size());
  for (const auto& [name, tensor] : parameters) {
    EXPECT_EQ(shapes.value(name, std::vector<std::int64_t>{}), tensor.sizes().vec()) << name;
  }
}

TEST_F(AutoencoderTest, ShapesOfOtherChannelsAndLevels) {
  auto options = tiny();
  options.in_channels = 1;
  options.out_channels = 2;
  options.latent_channels = 16;
  options.use_quant_conv = options.use_post_quant_conv = false;
  options.mid_block_add_attention = false;
  const Autoencoder model(options);
  const auto latents = model.encode(at::randn({2, 1, 12, 20}));
  EXPECT_THAT(latents.sizes().vec(), ElementsAre(2, 16, 3, 5));
  EXPECT_EQ(latents.scalar_type(), at::kFloat);
  EXPECT_THAT(model.decode(latents).sizes().vec(), ElementsAre(2, 2, 12, 20));
  EXPECT_EQ(count_of(model, "quant_conv") + count_of(model, "post_quant_conv"), 0);
  auto one = tiny();
  one.block_out_channels = {8};
  EXPECT_EQ(Autoencoder(one).downscale(), 1);
  EXPECT_THAT(Autoencoder(one).decode(at::randn({1, 4, 5, 7})).sizes().vec(),
              ElementsAre(1, 3, 5, 7));
}

TEST_F(AutoencoderTest, EncodesMeanAndNoiseWithShiftAndScale) {
  auto options = tiny();
  options.scaling_factor = 2.0;
  options.shift_factor = 0.5;
  const Autoencoder model(options, 3);
  const auto images = at::randn({1, 3, 16, 16}), noise = at::randn({1, 4, 4, 4});
  const auto parts = model.moments(images).chunk(2, 1);
  EXPECT_LT(largest_difference(model.encode(images), (parts[0] - 0.5) * 2.0), 1e-6);
  const auto sample = parts[0] + (0.5 * parts[1]).exp() * noise;
  EXPECT_LT(largest_difference(model.encode(images, noise), (sample - 0.5) * 2.0), 1e-5);
  auto plain = options;
  plain.scaling_factor = 1.0;
  plain.shift_factor = 0.0;
  const Autoencoder unscaled(plain, 3);
  EXPECT_LT(largest_difference(model.decode((noise - 0.5) * 2.0), unscaled.decode(noise)), 1e-5);
}

TEST_F(AutoencoderTest, ClampsTheLogVariance) {
  const auto latents = posterior(at::tensor({1.0F, -90.0F, 2.0F, 90.0F}).view({1, 4, 1, 1}));
  EXPECT_EQ(latents.mean.flatten()[1].item<float>(), -90.0F);  // not a variance
  EXPECT_EQ(latents.logvar.flatten()[0].item<float>(), 2.0F);
  EXPECT_EQ(latents.logvar.flatten()[1].item<float>(), 20.0F);
  EXPECT_NEAR(latents.std.flatten()[1].item<double>(), std::exp(10.0), 0.01);
}

TEST_F(AutoencoderTest, AnImageAloneIsThatOfABatch) {
  const Autoencoder model(tiny());
  const auto images = at::randn({3, 3, 32, 24}), latents = at::randn({3, 4, 8, 6});
  const auto moments = model.moments(images), decoded = model.decode(latents);
  for (const std::int64_t n : {0, 2}) {
    EXPECT_TRUE(at::equal(model.moments(images.narrow(0, n, 1)), moments.narrow(0, n, 1)));
    EXPECT_TRUE(at::equal(model.decode(latents.narrow(0, n, 1)), decoded.narrow(0, n, 1)));
  }
}

TEST_F(AutoencoderTest, TheSeedDecidesTheWeights) {
  const auto latent = at::randn({1, 4, 4, 4});
  EXPECT_TRUE(
      at::equal(Autoencoder(tiny(), 5).decode(latent), Autoencoder(tiny(), 5).decode(latent)));
  EXPECT_FALSE(
      at::equal(Autoencoder(tiny(), 5).decode(latent), Autoencoder(tiny(), 6).decode(latent)));
}

TEST_F(AutoencoderTest, UpsampleConvolutionIsTheOneOfTheWideImage) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const auto x = at::randn({2, 5, 6, 9}, type), weight = at::randn({7, 5, 3, 3}, type);
    const auto bias = at::randn({7}, type);
    const auto wide = at::upsample_nearest2d(x, {12, 18});
    const auto want = at::conv2d(wide, weight, bias, {1, 1}, {1, 1});
    EXPECT_LT(largest_difference(autoencoder::upsample_convolution(x, weight, bias), want),
              type == at::kDouble ? 1e-12 : 2e-5);
  }
}

TEST_F(AutoencoderTest, Float32AndBfloat16AreNearFloat64) {
  Autoencoder exact(tiny(), 2), narrow(tiny(), 2);
  const Autoencoder single(tiny(), 2);
  exact.to(at::kDouble);
  narrow.to(at::kBFloat16);
  const auto images = at::randn({1, 3, 40, 32}).clamp(-1, 1), latents = at::randn({1, 4, 10, 8});
  const auto relative = [](const at::Tensor& got, const at::Tensor& want) {
    return ((got.to(at::kDouble) - want).norm() / want.norm()).item<double>();
  };
  const auto moments = exact.moments(images), decoded = exact.decode(latents);
  EXPECT_EQ(decoded.scalar_type(), at::kDouble);
  EXPECT_LT(relative(single.moments(images), moments), 1e-5);
  EXPECT_LT(relative(single.decode(latents), decoded), 1e-5);
  EXPECT_LT(relative(narrow.moments(images), moments), 4e-2);
  EXPECT_LT(relative(narrow.decode(latents), decoded), 4e-2);
}

TEST_F(AutoencoderTest, RefusesFloat16AndSaysWhy) {
  Autoencoder model(tiny());
  model.to(at::kHalf);
  EXPECT_THAT(error_of([&] { model.decode(at::randn({1, 4, 4, 4})); }),
              HasSubstr("leave the range of float16"));
  EXPECT_THAT(error_of([&] { model.moments(at::randn({1, 3, 16, 16})); }),
              HasSubstr("weights of dtype Half"));
}

TEST_F(AutoencoderTest, RefusesWrongImagesAndNamesWhatIsWrong) {
  const Autoencoder model(tiny());
  EXPECT_THAT(error_of([&] { model.encode(at::randn({1, 1, 16, 16})); }),
              HasSubstr("images: have 1 channels, the autoencoder has 3"));
  EXPECT_THAT(error_of([&] { model.encode(at::randn({1, 3, 16, 18})); }),
              HasSubstr("images: are 18 x 16 pixels\n  width and height must be multiples of 4"));
  EXPECT_THAT(error_of([&] { model.encode(at::randn({3, 16, 16})); }), HasSubstr("3 x 16 x 16"));
  EXPECT_THAT(error_of([&] { model.encode(at::randn({0, 3, 16, 16})); }), HasSubstr("0 x 3"));
  EXPECT_THAT(error_of([&] { model.encode({}); }), HasSubstr("undefined"));
  EXPECT_THAT(error_of([&] { model.decode(at::randn({1, 3, 4, 4})); }),
              HasSubstr("latents: have 3 channels, the autoencoder has 4"));
  EXPECT_THAT(error_of([&] { model.encode(at::randn({1, 3, 16, 16}), at::randn({1, 4, 4, 3})); }),
              HasSubstr("noise: has shape 1 x 4 x 4 x 3, the latents have 1 x 4 x 4 x 4"));
}

TEST_F(AutoencoderTest, RefusesTilesThatDoNotFit) {
  const Autoencoder model(tiny());
  const auto latent = at::randn({1, 4, 40, 40});
  EXPECT_THAT(error_of([&] { model.decode(latent, {.tile_pixels = 30}); }),
              HasSubstr("30 is not a multiple of 4"));
  EXPECT_THAT(error_of([&] { model.decode(latent, {.tile_pixels = 8}); }),
              HasSubstr("16 at least"));
  EXPECT_THAT(error_of([&] { model.decode(latent, {.tile_pixels = 32, .overlap_pixels = 20}); }),
              HasSubstr("half of the tile at most"));
  EXPECT_THAT(error_of([&] { model.decode(latent, {.tile_pixels = -1}); }), HasSubstr("below 0"));
}

// ---- tiles

TEST_F(AutoencoderTest, TilesReachOverTheWholeSide) {
  EXPECT_THAT(tile_starts(10, {.tile = 10, .overlap = 2}), ElementsAre(0));
  EXPECT_THAT(tile_starts(11, {.tile = 10, .overlap = 2}), ElementsAre(0, 1));
  EXPECT_THAT(tile_starts(18, {.tile = 10, .overlap = 2}), ElementsAre(0, 8));
  EXPECT_THAT(tile_starts(19, {.tile = 10, .overlap = 2}), ElementsAre(0, 5, 9));
  for (std::int64_t side = 1; side < 200; ++side) {
    const TilePlan plan{.tile = 16, .overlap = 5};
    const auto starts = tile_starts(side, plan);
    EXPECT_EQ(starts.back() + std::min(side, plan.tile), side);
    for (std::size_t i = 1; i < starts.size(); ++i) {
      EXPECT_LE(starts[i] - starts[i - 1], plan.tile - plan.overlap) << side;
      EXPECT_GT(starts[i], starts[i - 1]) << side;
    }
  }
}

TEST_F(AutoencoderTest, BlendingTilesOfTheSameImageGivesItBack) {
  const auto x = at::randn({2, 3, 37, 50});
  const auto twice = [](const at::Tensor& tile) { return tile * 2.0; };
  EXPECT_LT(largest_difference(in_tiles(x, 1, 1, {.tile = 16, .overlap = 5}, twice), x * 2.0),
            1e-5);
}

TEST_F(AutoencoderTest, OneTileGivesTheBitsOfNoTiles) {
  const Autoencoder model(tiny());
  const auto images = at::randn({1, 3, 64, 48}), latents = at::randn({1, 4, 16, 12});
  for (const AutoencoderCall& call :
       {AutoencoderCall{.tile_pixels = 64}, AutoencoderCall{.tile_pixels = 256},
        AutoencoderCall{.memory_bytes = std::int64_t{1} << 40}}) {
    EXPECT_TRUE(at::equal(model.moments(images, call), model.moments(images)));
    EXPECT_TRUE(at::equal(model.decode(latents, call), model.decode(latents)));
  }
}

TEST_F(AutoencoderTest, AMemoryLimitCutsIntoTilesThatKeepIt) {
  const Autoencoder model(tiny());
  const auto latent = at::randn({1, 4, 64, 64});
  const auto limit =
      activation_bytes(model.options(), AutoencoderHalf::kDecoder, 64 * 64, at::kFloat);
  std::int64_t tiles = 0, largest = 0;
  const auto whole = model.decode(latent);
  const auto image = model.decode(
      latent, {.memory_bytes = limit, .observe = [&](const std::string& name, const Tensor& x) {
                 tiles += name == "dec.up2" ? 1 : 0;
                 largest = name == "dec.up2" ? std::max(largest, x.size(2) * x.size(3)) : largest;
               }});
  EXPECT_GT(tiles, 4);
  EXPECT_LE(largest, 64 * 64);
  EXPECT_EQ(image.sizes(), whole.sizes());
}

/// Smooth latents: noise of a few places, made wide.
at::Tensor smooth_latent(std::int64_t side) {
  return at::upsample_bicubic2d(at::randn({1, 4, 6, 6}), {side, side}, true) * 0.8;
}

/// Mean |difference| of neighbours across the lines where tiles begin or end, over that elsewhere.
double seam_ratio(const at::Tensor& image, const std::vector<std::int64_t>& lines) {
  std::set<std::int64_t> at_seam(lines.begin(), lines.end());
  double seam = 0.0, rest = 0.0;
  for (const std::int64_t dim : {2, 3}) {
    const auto steps = image.diff(1, dim).abs().mean({0, 1, 5 - dim}).to(at::kDouble).contiguous();
    double on = 0.0, off = 0.0;
    for (std::int64_t i = 0; i < steps.numel(); ++i) {
      (at_seam.contains(i + 1) ? on : off) += steps.data_ptr<double>()[i];
    }
    seam += on / static_cast<double>(at_seam.size());
    rest += off / static_cast<double>(steps.numel() - std::ssize(at_seam));
  }
  return seam / rest;
}

TEST_F(AutoencoderTest, TilesAreNearTheWholeAndShowNoSeam) {
  const Autoencoder model(tiny(), 4);
  const auto latent = smooth_latent(96);
  const auto whole = model.decode(latent);
  const auto tiled = model.decode(latent, {.tile_pixels = 192});
  const auto range = (whole.max() - whole.min()).item<double>();
  const auto error = (whole - tiled).square().mean().item<double>();
  RecordProperty("psnr", std::to_string(10.0 * std::log10(range * range / error)));
  EXPECT_GT(10.0 * std::log10(range * range / error), 20.0);
  std::vector<std::int64_t> lines;
  for (const auto start : tile_starts(96, {.tile = 48, .overlap = 12})) {
    for (const auto line : {4 * start, 4 * (start + 48)}) {
      if (line > 0 && line < 384) {
        lines.push_back(line);
      }
    }
  }
  const double ratio = seam_ratio(tiled, lines);
  RecordProperty("seam", std::to_string(ratio));
  EXPECT_LT(ratio, 1.05 * std::max(1.0, seam_ratio(whole, lines)));
}

// ---- options

Json sdxl_config() {
  return parse_json(R"({"_class_name": "AutoencoderKL", "_diffusers_version": "0.20.0.dev0",
    "_name_or_path": "../sdxl-vae/", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",
    "DownEncoderBlock2D"], "force_upcast": true, "in_channels": 3, "latent_channels": 4,
    "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3, "sample_size": 1024,
    "scaling_factor": 0.13025, "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D",
    "UpDecoderBlock2D", "UpDecoderBlock2D"]})",
                    "config.json");
}

std::string config_error(const std::string& key, const Json& value) {
  auto config = sdxl_config();
  config[key] = value;
  return error_of([&] { autoencoder_options_from_json(config, "config.json"); },
                  ErrorCode::kCheckpoint);
}

TEST(AutoencoderOptionsJson, ReadsWhatDiffusersWrites) {
  const auto options = autoencoder_options_from_json(sdxl_config(), "config.json");
  EXPECT_EQ(to_json(options), to_json(AutoencoderOptions{}));
  auto sd3 = sdxl_config();
  sd3.update(Json{{"latent_channels", 16},
                  {"scaling_factor", 1.5305},
                  {"shift_factor", 0.0609},
                  {"use_quant_conv", false},
                  {"use_post_quant_conv", false},
                  {"latents_mean", nullptr},
                  {"latents_std", nullptr}});
  const auto other = autoencoder_options_from_json(sd3, "config.json");
  EXPECT_EQ(other.latent_channels, 16);
  EXPECT_EQ(other.shift_factor, 0.0609);
  EXPECT_FALSE(other.use_quant_conv);
}

TEST(AutoencoderOptionsJson, HasDiffusersDefaults) {
  auto config = sdxl_config();
  config.erase("scaling_factor");  // as Stable Diffusion 1.x publishes it
  config["shift_factor"] = nullptr;
  const auto options = autoencoder_options_from_json(config, "config.json");
  EXPECT_EQ(options.scaling_factor, 0.18215);
  EXPECT_EQ(options.shift_factor, 0.0);
  EXPECT_TRUE(options.use_quant_conv);
}

TEST(AutoencoderOptionsJson, WritesWhatItReads) {
  auto options = tiny();
  options.shift_factor = 0.25;
  options.use_quant_conv = false;
  const auto json = autoencoder_options_to_json(options);
  EXPECT_EQ(json.at("down_block_types").size(), 3);
  EXPECT_EQ(to_json(autoencoder_options_from_json(json, "x")), to_json(options));
}

TEST(AutoencoderOptionsJson, RefusesWhatItCannotHonour) {
  EXPECT_THAT(config_error("act_fn", "gelu"), HasSubstr("config.json.act_fn: \"gelu\" is not"));
  EXPECT_THAT(config_error("_class_name", "AsymmetricAutoencoderKL"), HasSubstr("AutoencoderKL"));
  EXPECT_THAT(config_error("latents_mean", {0.1, 0.2, 0.3, 0.4}), HasSubstr("latents_mean"));
  EXPECT_THAT(config_error("layer_per_block", 2), HasSubstr("did you mean 'layers_per_block'?"));
  EXPECT_THAT(config_error("layers_per_block", 2.5), HasSubstr("2.5 is of another type"));
  EXPECT_THAT(config_error("layers_per_block", 0), HasSubstr("out of range"));
  EXPECT_THAT(config_error("in_channels", "3"), HasSubstr("config.json.in_channels"));
  EXPECT_THAT(config_error("scaling_factor", 0.0), HasSubstr("scaling_factor"));
  EXPECT_THAT(config_error("use_quant_conv", 1), HasSubstr("use_quant_conv"));
  EXPECT_THAT(config_error("block_out_channels", {128, 250, 512, 512}),
              HasSubstr("width 250 is not a multiple of norm_num_groups 32"));
  EXPECT_THAT(config_error("block_out_channels", Json::array()), HasSubstr("has 0 levels"));
  EXPECT_THAT(config_error("block_out_channels", {128, 128}), HasSubstr("down_block_types"));
  EXPECT_THAT(config_error("up_block_types", {"UpDecoderBlock2D", "AttnUpDecoderBlock2D",
                                              "UpDecoderBlock2D", "UpDecoderBlock2D"}),
              HasSubstr("\"AttnUpDecoderBlock2D\" is not supported"));
  EXPECT_THAT(error_of([] { autoencoder_options_from_json(Json::array(), "config.json"); },
                       ErrorCode::kCheckpoint),
              HasSubstr("is not a JSON object"));
}

TEST(AutoencoderOptionsJson, WrongOptionsAreAConfigurationError) {
  auto options = tiny();
  options.norm_num_groups = 5;
  EXPECT_THAT(error_of([&] { Autoencoder model(options); }, ErrorCode::kConfig),
              HasSubstr("width 8 is not a multiple of norm_num_groups 5"));
}

}  // namespace
}  // namespace medaug
