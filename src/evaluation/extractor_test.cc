// SPDX-License-Identifier: MIT
#include "evaluation/extractor.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <stdexcept>
#include <system_error>

#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_folder.h"
#include "evaluation/in_parts.h"
#include "evaluation/radiomics.h"
#include "models/efficientnet.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

at::Tensor grey_images(std::int64_t count, std::int64_t side) {
  at::manual_seed(3);
  return at::rand({count, 1, side, side}) * 2.0 - 1.0;
}

/// Parts of a batch on three threads.
class Threads {
 public:
  Threads() : before_(omp_get_max_threads()) { omp_set_num_threads(3); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

TEST(InParts, KeepsTheOrderAndTheBatchSize) {
  const Threads threads;
  const auto x = at::arange(53).view({53, 1});
  const auto got = in_parts(x, 20, [](const at::Tensor& some) {
    EXPECT_LE(some.size(0), 20);
    EXPECT_FALSE(at::GradMode::is_enabled());
    return some * 2;
  });
  EXPECT_TRUE(got.equal(x * 2));
}

TEST(InParts, PassesOnWhatAPartThrows) {
  const Threads threads;
  EXPECT_THROW(in_parts(at::zeros({16, 1}), 16,
                        [](const at::Tensor& some) -> at::Tensor {
                          if (some.size(0) > 0) {
                            throw std::runtime_error("part");
                          }
                          return some;
                        }),
               std::runtime_error);
}

class EfficientNetFile : public test::FolderTest {
 protected:
  /// Untrained weights, in the file that the extractor reads.
  fs::path weights() const {
    const EfficientNetLite0 network(1000, 5);
    write_safetensors(folder_ / "net.safetensors", all_tensors(network), {});
    return folder_ / "net.safetensors";
  }
};

TEST_F(EfficientNetFile, GivesFeaturesOfGreyAsOfRepeatedChannels) {
  const auto extractor = efficientnet_extractor(weights());
  const auto grey = grey_images(5, 24);
  const auto features = extractor->features(grey);
  EXPECT_EQ(features.sizes(), at::IntArrayRef({5, 1280}));
  EXPECT_TRUE(features.isfinite().all().item<bool>());
  EXPECT_FALSE(features[0].equal(features[1]));
  EXPECT_TRUE(at::allclose(extractor->features(grey.repeat({1, 3, 1, 1})), features, 1e-4, 1e-6));
}

TEST_F(EfficientNetFile, GivesAnImageTheSameFeaturesInAnyCompany) {
  const Threads threads;
  const auto extractor = efficientnet_extractor(weights());
  const auto images = grey_images(9, 16);
  const auto together = extractor->features(images);
  EXPECT_TRUE(at::allclose(extractor->features(images.narrow(0, 4, 1)), together.narrow(0, 4, 1),
                           1e-4, 1e-6));
}

TEST_F(EfficientNetFile, IsNamedByTheHashOfItsWeights) {
  const auto path = weights();
  const auto extractor = efficientnet_extractor(path);
  EXPECT_EQ(extractor->hash(), sha256_file(path));
  EXPECT_EQ(extractor->name(), "EfficientNet-Lite0, ImageNet");
}

TEST_F(EfficientNetFile, OfAnotherNetworkIsRefused) {
  write_safetensors(folder_ / "other.safetensors", {{"a", at::ones({2})}}, {});
  const auto text = test::error_of([&] { efficientnet_extractor(folder_ / "other.safetensors"); });
  EXPECT_THAT(text, HasSubstr("no EfficientNet-Lite0"));
  test::error_of([&] { efficientnet_extractor(folder_ / "none.safetensors"); });
}

TEST_F(EfficientNetFile, WithADamagedNumberIsRefused) {
  const EfficientNetLite0 network(1000, 5);
  all_tensors(network).front().second.mutable_data_ptr<float>()[0] = std::nanf("");
  write_safetensors(folder_ / "nan.safetensors", all_tensors(network), {});
  EXPECT_THAT(test::error_of([&] { efficientnet_extractor(folder_ / "nan.safetensors"); }),
              HasSubstr("not finite"));
}

TEST(RadiomicsExtractor, GivesOneRowForEachImage) {
  const auto extractor = radiomics_extractor();
  const auto images = grey_images(4, 12);
  const auto features = extractor->features(images);
  ASSERT_EQ(features.sizes(), at::IntArrayRef({4, std::ssize(radiomics_names())}));
  EXPECT_TRUE(features[2].equal(radiomics(images[2])));
  EXPECT_TRUE(extractor->has_units());
  EXPECT_THAT(extractor->hash(), HasSubstr("no weights"));
}

TEST(SegmenterExtractor, BringsImagesToTheSegmentersSizeAndChannels) {
  SegmenterInfo info;
  info.preprocess.image_size = 16;
  info.preprocess.channels = 3;
  info.net = {.in_channels = 3, .classes = 1, .width = 4, .levels = 2};
  const auto net = std::make_shared<UNet>(info.net);
  const auto extractor = segmenter_extractor(std::make_shared<const Segmenter>(info, net));
  const auto features = extractor->features(grey_images(3, 40));
  EXPECT_EQ(features.sizes(), at::IntArrayRef({3, 8}));
  EXPECT_TRUE(features.isfinite().all().item<bool>());
}

TEST(FindWeights, FindsNothingOfAnUnknownName) {
  EXPECT_FALSE(find_weights("no_such_weights.safetensors"));
}

TEST(FindWeights, LooksBesideTheProgramAndInTheTwoFoldersAbove) {
  const auto program = fs::read_symlink("/proc/self/exe").parent_path();
  for (const auto& above : {program, program.parent_path(), program.parent_path().parent_path()}) {
    const auto share = above / "share";
    const auto file = share / "medaug" / "test_only.safetensors";
    fs::create_directories(file.parent_path());
    write_file_atomically(file, "x");
    const auto found = find_weights("test_only.safetensors");
    ASSERT_TRUE(found) << file;
    EXPECT_TRUE(fs::equivalent(*found, file)) << *found;
    std::error_code not_empty;
    for (auto path = file; path != share.parent_path(); path = path.parent_path()) {
      fs::remove(path, not_empty);
    }
  }
}

}  // namespace
}  // namespace medaug
