// SPDX-License-Identifier: MIT
// The published networks at their real size, as files without data: a header, and a hole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "checkpoint/lineage/backbone.h"
#include "checkpoint/lineage/key_map.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

class PublishedLayout : public test::FolderTest {
 protected:
  fs::path hollow(const NextDiTOptions& options, const std::string& dtype, bool diffusers) const {
    std::vector<TensorEntry> entries;
    std::int64_t offset = 0;
    for (const auto& [name, parameter] :
         nn::named_parameters(NextDiT(options, std::nullopt, at::kMeta))) {
      const auto names = diffusers ? diffusers_keys(name) : std::vector<std::string>{name};
      for (const auto& key : names) {
        const auto end = offset + parameter.numel() * dtype_bytes(dtype);
        entries.push_back({key, dtype, parameter.sizes().vec(), offset, end});
        offset = end;
      }
    }
    const auto header = format_safetensors_header(entries, {});
    const auto path = write("weights.safetensors", header);
    fs::resize_file(path, header.size() + static_cast<std::uintmax_t>(offset));
    return path;
  }
};

struct Published {
  const char* preset;
  bool qk_norm;
  std::int64_t channels;
  std::int64_t tensors;
  std::int64_t parameters;
  const char* name;
};

// Counts: the layouts of Alpha-VLLM/Lumina-T2X's lumina_next_t2i and of diffusers, counted by hand
// from their module definitions.
TEST_F(PublishedLayout, IsToldFromHeadersWithItsExactCounts) {
  const Published all[] = {
      {"2b-gqa", true, 4, 567, 1'627'386'400, "2b-gqa, with qk-norm (NextDiT_2B_GQA_patch2)"},
      {"2b", true, 4, 567, 1'988'524'576, "2b, with qk-norm (NextDiT_2B_patch2)"},
      {"2b-gqa", false, 4, 423, 1'627'220'512, "2b-gqa, without qk-norm (NextDiT_2B_GQA_patch2)"},
      {"2b", false, 4, 423, 1'988'192'800, "2b, without qk-norm (NextDiT_2B_patch2)"},
      {"2b-gqa", true, 16, 567, 1'627'718'272,
       "2b-gqa, with qk-norm, 16 channels (NextDiT_2B_GQA_patch2)"},
  };
  for (const auto& one : all) {
    auto options = nextdit_preset(one.preset);
    options.qk_norm = one.qk_norm ? QkNorm::kLayer : QkNorm::kNone;
    options.in_channels = options.out_channels = one.channels;
    const auto backbone = open_backbone(hollow(options, "F32", false));
    EXPECT_EQ(backbone.stored_tensors(), one.tensors);
    EXPECT_EQ(backbone.stored_parameters(), one.parameters);
    EXPECT_EQ(backbone.stored_bytes(), one.parameters * 4);
    EXPECT_EQ(backbone.stored_dtypes(), "F32");
    EXPECT_EQ(configuration_name(backbone.options()), one.name);
  }
}

TEST_F(PublishedLayout, OfDiffusersCountsItsCopies) {
  const auto backbone = open_backbone(hollow(nextdit_preset("2b-gqa"), "BF16", true));
  EXPECT_EQ(backbone.layout(), BackboneLayout::kDiffusers);
  EXPECT_EQ(backbone.stored_tensors(), 639);
  EXPECT_EQ(backbone.stored_parameters(), 1'754'898'976);
  EXPECT_EQ(backbone.stored_bytes(), 2 * std::int64_t{1'754'898'976});
  EXPECT_EQ(backbone.parameters(), 1'627'386'400);
  EXPECT_EQ(backbone.tensors().size(), 567U);
  EXPECT_EQ(configuration_name(backbone.options()), "2b-gqa, with qk-norm (NextDiT_2B_GQA_patch2)");
}

TEST_F(PublishedLayout, EachMaskPlaneCostsWhatItsColumnsHold) {
  ImportOptions with_mask;
  with_mask.mask_classes = 1;
  const auto file = hollow(nextdit_preset("2b-gqa"), "F32", false);
  // Two planes (class, presence) of 2 x 2 latents and a bias, at the first and at the middle layer.
  EXPECT_EQ(open_backbone(file, with_mask).parameters(), 1'627'386'400 + 2 * (2 * 4 + 1) * 2304);
}

TEST(KeyMap, LeadsBackFromEveryName) {
  const NextDiT network(nextdit_preset("2b-gqa"), std::nullopt, at::kMeta);
  for (const auto& [name, parameter] : nn::named_parameters(network)) {
    const auto keys = diffusers_keys(name);
    EXPECT_FALSE(keys.empty()) << name;
    for (const auto& key : keys) {
      EXPECT_EQ(lumina_key(key), name) << key;
    }
  }
}

TEST(KeyMap, KnowsNoOtherNames) {
  for (const char* name : {"", ".weight", "layers", "layers.", "layers.0", "layers.0.", "gate",
                           "layers.0.attn1.to_out.0.weight", "layers.0.attention.wq.weight"}) {
    EXPECT_EQ(lumina_key(name), std::nullopt) << name;
  }
  EXPECT_TRUE(diffusers_keys("mask_mid.weight").empty());
}

}  // namespace
}  // namespace medaug
