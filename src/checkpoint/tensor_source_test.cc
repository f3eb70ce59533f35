// SPDX-License-Identifier: MIT
#include "checkpoint/tensor_source.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

at::Tensor filled(double value) { return at::full({2, 3}, value); }

/// A folder with a model of three tensors in two files.
class TensorSources : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    write_safetensors(folder_ / "model-1.safetensors", {{"a", filled(1)}, {"b", filled(2)}},
                      {{"format", "pt"}});
    write_safetensors(folder_ / "model-2.safetensors", {{"c", filled(3).to(at::kBFloat16)}});
    index(R"("a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors")");
  }

  fs::path index(const std::string& map) const {
    return write("model.safetensors.index.json",
                 R"({"metadata":{"total_size":60},"weight_map":{)" + map + "}}");
  }
  std::string refusal() const {
    return error_of([&] { TensorSource::open(folder_); });
  }
};

TEST_F(TensorSources, ReadsOneTensorOfSeveralFiles) {
  const auto source = TensorSource::open(folder_);
  ASSERT_EQ(source.entries().size(), 3U);
  EXPECT_EQ(source.entries().at("c").dtype, "BF16");
  EXPECT_EQ(source.entry("a").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_TRUE(source.read("b").equal(filled(2)));
  EXPECT_TRUE(source.read("c").equal(filled(3).to(at::kBFloat16)));
  EXPECT_EQ(source.metadata().at("format"), "pt");
  EXPECT_EQ(source.files().size(), 2U);
  EXPECT_THAT(source.where("c"), HasSubstr("model-2.safetensors: tensor 'c'"));
  EXPECT_TRUE(TensorSource::open(folder_ / "model.safetensors.index.json").contains("a"));
}

TEST_F(TensorSources, ReadsASingleFileAndPrefersItToAnIndex) {
  const auto path = folder_ / "model.safetensors";
  write_safetensors(path, {{"x", at::arange(4)}});
  EXPECT_TRUE(TensorSource::open(path).read("x").equal(at::arange(4)));
  EXPECT_EQ(TensorSource::open(folder_).entries().size(), 1U);
}

TEST_F(TensorSources, TakesTheOnlyFileOfAFolder) {
  const auto other = folder_ / "lumina";
  fs::create_directories(other);
  write_safetensors(other / "consolidated.00-of-01.safetensors", {{"x", at::arange(4)}});
  EXPECT_TRUE(TensorSource::open(other).contains("x"));
  write_safetensors(other / "consolidated_ema.00-of-01.safetensors", {{"x", at::arange(4)}});
  EXPECT_THAT(error_of([&] { TensorSource::open(other); }),
              AllOf(HasSubstr("several safetensors files and no index"),
                    HasSubstr("consolidated_ema.00-of-01.safetensors")));
}

TEST_F(TensorSources, NamesTheNearestTensor) {
  const auto path = folder_ / "one.safetensors";
  write_safetensors(path, {{"norm.weight", filled(1)}});
  const auto source = TensorSource::open(path);
  EXPECT_THAT(error_of([&] { source.read("norm.wight"); }),
              AllOf(HasSubstr("has no tensor 'norm.wight'"), HasSubstr("it has 'norm.weight'")));
}

TEST_F(TensorSources, SaysWhatAFolderWithoutSafetensorsHas) {
  const auto other = folder_ / "old";
  fs::create_directories(other);
  EXPECT_THAT(error_of([&] { TensorSource::open(other); }), HasSubstr("has no safetensors file"));
  write("old/pytorch_model.bin", "PK");
  EXPECT_THAT(error_of([&] { TensorSource::open(other); }),
              AllOf(HasSubstr("only pytorch_model.bin"), HasSubstr("only safetensors is read")));
  EXPECT_THAT(error_of([&] { TensorSource::open(folder_ / "none"); }), HasSubstr("cannot open"));
}

TEST_F(TensorSources, RefusesAnAbsentFile) {
  fs::remove(folder_ / "model-2.safetensors");
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("names the file 'model-2.safetensors', which is not there"),
                    HasSubstr("download it")));
}

TEST_F(TensorSources, RefusesNamesThatLeadOutOfTheFolder) {
  write_safetensors(folder_ / "outside.safetensors", {{"a", filled(1)}});
  const auto inner = folder_ / "inner";
  fs::create_directories(inner);
  for (const auto& name :
       {std::string("../outside.safetensors"), (folder_ / "outside.safetensors").string(),
        std::string(".."), std::string("."), std::string(), std::string("x/../y.safetensors")}) {
    write("inner/model.safetensors.index.json", R"({"weight_map":{"a":")" + name + "\"}}");
    EXPECT_THAT(error_of([&] { TensorSource::open(inner); }),
                HasSubstr("is not a file name of its own folder"))
        << name;
  }
}

TEST_F(TensorSources, RefusesLinksOutOfTheFolderButThoseOfAHubCache) {
  const auto snapshot = folder_ / "models--x" / "snapshots" / "0123";
  const auto blobs = folder_ / "models--x" / "blobs";
  fs::create_directories(snapshot);
  fs::create_directories(blobs);
  write_safetensors(blobs / "abcd", {{"a", filled(1)}});
  write("models--x/snapshots/0123/model.safetensors.index.json",
        R"({"weight_map":{"a":"model-1.safetensors"}})");
  const auto link = snapshot / "model-1.safetensors";
  fs::create_symlink("../../blobs/abcd", link);
  EXPECT_TRUE(TensorSource::open(snapshot).read("a").equal(filled(1)));
  fs::remove(link);
  fs::create_symlink(folder_ / "model-1.safetensors", link);
  EXPECT_THAT(error_of([&] { TensorSource::open(snapshot); }),
              HasSubstr("a link that leads out of the folder"));
  fs::remove(link);
  write_safetensors(snapshot / "real.safetensors", {{"a", filled(2)}});
  fs::create_symlink("real.safetensors", link);
  EXPECT_TRUE(TensorSource::open(snapshot).read("a").equal(filled(2)));
}

TEST_F(TensorSources, RefusesATensorInAnotherFileThanTheIndexSays) {
  index(R"("a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors")");
  EXPECT_THAT(refusal(), HasSubstr("tensor 'b': is in model-1.safetensors, the index puts it in "
                                   "model-2.safetensors"));
  index(R"("a":"model-1.safetensors","b":"model-1.safetensors","d":"model-2.safetensors")");
  EXPECT_THAT(refusal(), HasSubstr("tensor 'd': is not in model-2.safetensors"));
}

TEST_F(TensorSources, RefusesATensorThatIsInTwoFiles) {
  write_safetensors(folder_ / "model-2.safetensors", {{"b", filled(2)}, {"c", filled(3)}});
  EXPECT_THAT(refusal(), AllOf(HasSubstr("model-2.safetensors: tensor 'b'"),
                               HasSubstr("is in model-1.safetensors too")));
}

TEST_F(TensorSources, RefusesATensorThatTheIndexDoesNotName) {
  index(R"("a":"model-1.safetensors","c":"model-2.safetensors")");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("model-1.safetensors: tensor 'b'"),
                               HasSubstr("is not in the index model.safetensors.index.json")));
}

TEST_F(TensorSources, RefusesPointersCutFilesAndPipes) {
  const auto path = folder_ / "model-2.safetensors";
  const auto whole = read(path);
  write("model-2.safetensors", whole.substr(0, whole.size() - 4));
  EXPECT_THAT(refusal(), AllOf(HasSubstr("tensor 'c'"), HasSubstr("the file is cut")));
  write("model-2.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("model-2.safetensors: is a git-lfs pointer"),
                               HasSubstr("git lfs pull")));
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("is not a regular file"));
  write("model.safetensors.index.json", "version https://git-lfs.github.com/spec/v1\noid x\n");
  EXPECT_THAT(refusal(), HasSubstr("index.json: is a git-lfs pointer"));
}

TEST_F(TensorSources, RefusesAnIndexThatIsNone) {
  for (const std::string text :
       {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":"x","a":"x"}})"}) {
    write("model.safetensors.index.json", text);
    EXPECT_THAT(refusal(), HasSubstr("index.json")) << text;
  }
}

TEST_F(TensorSources, NoticesAFileThatShrinksAfterItWasOpened) {
  const auto source = TensorSource::open(folder_);
  fs::resize_file(folder_ / "model-1.safetensors", 100);
  EXPECT_THAT(error_of([&] { source.read("b"); }), HasSubstr("more was expected"));
}

}  // namespace
}  // namespace medaug
