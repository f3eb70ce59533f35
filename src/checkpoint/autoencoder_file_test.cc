// SPDX-License-Identifier: MIT
#include "checkpoint/autoencoder_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>

#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;

constexpr const char* kWeights = "diffusion_pytorch_model.safetensors";

AutoencoderOptions tiny() {
  AutoencoderOptions o;
  o.block_out_channels = {32, 64, 64};
  o.layers_per_block = 1;
  o.scaling_factor = 0.5;
  o.shift_factor = 0.25;
  return o;
}

using Change = std::function<void(std::map<std::string, at::Tensor>&)>;

class AutoencoderFileTest : public test::FolderTest {
 protected:
  /// A folder with changed weights.
  std::filesystem::path changed(const Change& change, const AutoencoderOptions& options = tiny()) {
    const Autoencoder model(options, 7);
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, tensor] : nn::named_parameters(model)) {
      tensors.emplace(name, tensor);
    }
    write_autoencoder(folder_ / "changed", model);
    change(tensors);
    write_safetensors(folder_ / "changed" / kWeights, {tensors.begin(), tensors.end()});
    return folder_ / "changed";
  }
  static void expect_same(const Autoencoder& got, const Autoencoder& want) {
    const auto a = nn::named_parameters(got), b = nn::named_parameters(want);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].first, b[i].first);
      EXPECT_TRUE(at::equal(a[i].second, b[i].second)) << a[i].first;
    }
  }
};

void rename(std::map<std::string, at::Tensor>& tensors,
            const std::function<std::string(std::string)>& by) {
  std::map<std::string, at::Tensor> renamed;
  for (const auto& [name, tensor] : tensors) {
    renamed.emplace(by(name), tensor);
  }
  tensors = renamed;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST_F(AutoencoderFileTest, ReadsWhatItWrites) {
  const Autoencoder model(tiny(), 3);
  write_autoencoder(folder_ / "vae", model);
  for (const auto& path : {folder_ / "vae", folder_ / "vae" / kWeights, folder_}) {
    const auto loaded = load_autoencoder(path);
    expect_same(*loaded, model);
    EXPECT_EQ(to_json(loaded->options()), to_json(model.options()));
  }
}

TEST_F(AutoencoderFileTest, WritesTheSameBytesAgain) {
  write_autoencoder(folder_ / "a", Autoencoder(tiny(), 3));
  write_autoencoder(folder_ / "b", *load_autoencoder(folder_ / "a"));
  for (const char* file : {kWeights, "config.json"}) {
    EXPECT_EQ(read(folder_ / "a" / file), read(folder_ / "b" / file)) << file;
  }
}

TEST_F(AutoencoderFileTest, TheCallerChoosesTheDtypeButNotFloat16) {
  Autoencoder half(tiny(), 3);
  half.to(at::kHalf);
  write_autoencoder(folder_ / "vae", half);
  std::filesystem::rename(folder_ / "vae" / kWeights,
                          folder_ / "vae" / "diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(load_autoencoder(folder_ / "vae")->dtype(), at::kFloat);
  const auto narrow = load_autoencoder(folder_ / "vae", {.dtype = at::kBFloat16});
  EXPECT_EQ(narrow->dtype(), at::kBFloat16);
  EXPECT_THAT(test::error_of([&] { load_autoencoder(folder_ / "vae", {.dtype = at::kHalf}); },
                             ErrorCode::kInvalidArgument),
              HasSubstr("leave the range of float16"));
}

TEST_F(AutoencoderFileTest, ReadsOldNamesOfAttention) {
  const auto path = changed([](auto& tensors) {
    rename(tensors, [](std::string name) {
      name = replaced(name, "to_q", "query");
      name = replaced(name, "to_k", "key");
      name = replaced(name, "to_v", "value");
      return replaced(name, "to_out.0", "proj_attn");
    });
  });
  expect_same(*load_autoencoder(path), Autoencoder(tiny(), 7));
}

/// The name of latent-diffusion's own files, written down from the other side.
std::string ldm(std::string name) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"down_blocks.", "down."},
           {"up_blocks.0.", "up.2."},
           {"up_blocks.1.", "up.1."},
           {"up_blocks.2.", "up.0."},
           {"mid_block.resnets.0.", "mid.block_1."},
           {"mid_block.resnets.1.", "mid.block_2."},
           {"mid_block.attentions.0.group_norm", "mid.attn_1.norm"},
           {"mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"},
           {"mid_block.attentions.0.to_", "mid.attn_1."},
           {"resnets.", "block."},
           {"downsamplers.0.", "downsample."},
           {"upsamplers.0.", "upsample."},
           {"conv_shortcut", "nin_shortcut"},
           {"conv_norm_out", "norm_out"}}) {
    name = replaced(name, from, to);
  }
  return name;
}

TEST_F(AutoencoderFileTest, ReadsLatentDiffusionsNames) {
  const auto path = changed([](auto& tensors) {
    rename(tensors, ldm);
    for (auto& [name, tensor] : tensors) {
      if (tensor.dim() == 2) {
        tensor = tensor.unsqueeze(2).unsqueeze(3);
      }
    }
    EXPECT_TRUE(tensors.contains("decoder.up.0.block.0.nin_shortcut.weight"));
    EXPECT_TRUE(tensors.contains("encoder.mid.attn_1.q.weight"));
    EXPECT_TRUE(tensors.contains("encoder.down.0.downsample.conv.weight"));
  });
  expect_same(*load_autoencoder(path), Autoencoder(tiny(), 7));
}

TEST_F(AutoencoderFileTest, WithoutConfigTheShapesTellAllButTheScale) {
  auto options = tiny();
  options.latent_channels = 6;
  options.use_post_quant_conv = false;
  const auto path = changed([](auto&) {}, options);
  std::filesystem::remove(path / "config.json");
  EXPECT_THAT(test::error_of([&] { load_autoencoder(path); }),
              HasSubstr("shapes do not tell the scaling_factor"));
  const auto loaded = load_autoencoder(path, {.scaling_factor = 0.5, .shift_factor = 0.25});
  options.sample_size = loaded->options().sample_size;
  EXPECT_EQ(to_json(loaded->options()), to_json(options));
}

TEST_F(AutoencoderFileTest, NamesTheTensorThatIsMissingTooManyOrWrong) {
  const std::string key = "decoder.mid_block.attentions.0.to_k.weight";
  const auto message = [&](const Change& change) {
    const auto path = changed(change);
    return test::error_of([&] { load_autoencoder(path); });
  };
  EXPECT_THAT(message([&](auto& t) { t.erase(key); }), HasSubstr("has no tensor '" + key + "'"));
  EXPECT_THAT(message([&](auto& t) { t["loss.logvar"] = at::zeros({1}); }),
              HasSubstr("tensor 'loss.logvar': is not part of this model"));
  EXPECT_THAT(message([&](auto& t) { t[key] = at::zeros({32, 64}); }),
              HasSubstr("tensor '" + key + "': has shape [32, 64], the model needs [64, 64]"));
  EXPECT_THAT(message([&](auto& t) { t[key] = at::full({64, 64}, NAN); }),
              HasSubstr("tensor '" + key + "': has a number that is not finite"));
  EXPECT_THAT(message([&](auto& t) { t["decoder.mid_block.attentions.0.key.weight"] = t[key]; }),
              HasSubstr("which is there twice"));
}

TEST_F(AutoencoderFileTest, SaysWhatIsNotThere) {
  EXPECT_THAT(test::error_of([&] { load_autoencoder(folder_); }),
              HasSubstr("has no diffusion_pytorch_model.safetensors"));
  write("diffusion_pytorch_model.bin", "x");
  EXPECT_THAT(test::error_of([&] { load_autoencoder(folder_); }), HasSubstr("convert it"));
  EXPECT_THAT(test::error_of([&] { load_autoencoder(folder_ / "none"); }), HasSubstr("none"));
  write(kWeights, "version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
  EXPECT_THAT(test::error_of([&] { load_autoencoder(folder_); }), HasSubstr("git-lfs"));
}

TEST_F(AutoencoderFileTest, RefusesADamagedConfigAndOtherWeights) {
  const auto path = changed([](auto&) {});
  write("changed/config.json", "{\"act_fn\": ");
  EXPECT_THAT(test::error_of([&] { load_autoencoder(path); }), HasSubstr("config.json"));
  std::filesystem::remove(path / "config.json");
  write_safetensors(path / kWeights, {{"encoder.weight", at::zeros({2})}});
  EXPECT_THAT(test::error_of([&] { load_autoencoder(path, {.scaling_factor = 1.0}); }),
              HasSubstr("encoder.conv_in.weight"));
}

}  // namespace
}  // namespace medaug
