// SPDX-License-Identifier: MIT
#include "checkpoint/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "checkpoint/load.h"
#include "checkpoint/test_folder.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::HasSubstr;

class Safetensors : public test::FolderTest {
 protected:
  std::string refusal(const std::string& content) const {
    const auto path = write("bad.safetensors", content);
    const auto text = error_of([&] { read_safetensors(path); });
    EXPECT_EQ(error_of([&] { read_safetensors_header(path); }), text);
    return text;
  }
};

std::string length_of(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>(length >> (8 * i) & 0xFF));
  }
  return bytes;
}

std::string file_of(const std::string& json, const std::string& data) {
  return length_of(json.size()) + json + data;
}

TEST_F(Safetensors, ReadsHandBuiltBytes) {
  const std::string json =
      R"({"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]},)"
      R"("b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})";
  const std::string data("\x01\x00\x00\x80\x3f\x00\x00\x00\xc0",
                         9);  // true, 1.0, -2.0; not aligned
  const auto file = read_safetensors(write("x.safetensors", file_of(json, data)));
  EXPECT_EQ(file.metadata.at("k"), "v");
  EXPECT_TRUE(at::equal(file.at("x"), at::tensor({1.0F, -2.0F}).view({1, 2})));
  EXPECT_TRUE(file.at("b").item<bool>());
}

TEST_F(Safetensors, ReadsBackEveryDtype) {
  NamedTensors tensors;
  for (const auto type :
       {at::kBool, at::kByte, at::kChar, at::kShort, at::kUInt16, at::kHalf, at::kBFloat16,
        at::kInt, at::kUInt32, at::kFloat, at::kLong, at::kUInt64, at::kDouble}) {
    tensors.emplace_back(c10::toString(type), at::arange(6).remainder(2).to(type).view({2, 3}));
  }
  tensors.emplace_back("scalar", at::ones({}));
  tensors.emplace_back("empty", at::zeros({0, 3}));
  tensors.emplace_back("transposed", at::arange(6, at::kFloat).view({2, 3}).t());
  const auto path = folder_ / "x.safetensors";
  write_safetensors(path, tensors, {{"中", "文"}});
  const auto file = read_safetensors(path);
  EXPECT_EQ(file.tensors.size(), tensors.size());
  EXPECT_EQ(file.metadata.at("中"), "文");
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(file.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(file.at(name).sizes(), tensor.sizes()) << name;
    EXPECT_TRUE(at::equal(file.at(name).to(at::kDouble), tensor.to(at::kDouble))) << name;
  }
}

TEST_F(Safetensors, SameTensorsGiveTheSameBytes) {
  const NamedTensors tensors{{"b", at::ones({3})}, {"a", at::zeros({2}, at::kByte)}};
  write_safetensors(folder_ / "1", tensors, {{"x", "1"}, {"a", "2"}});
  write_safetensors(folder_ / "2", tensors, {{"a", "2"}, {"x", "1"}});
  EXPECT_EQ(read(folder_ / "1"), read(folder_ / "2"));
}

TEST_F(Safetensors, HeaderAloneGivesShapesWithoutMemory) {
  const auto path = folder_ / "x.safetensors";
  write_safetensors(path, {{"w", at::ones({3, 4}, at::kBFloat16)}});
  const auto file = read_safetensors_header(path);
  EXPECT_TRUE(file.at("w").is_meta());
  EXPECT_EQ(file.at("w").scalar_type(), at::kBFloat16);
  EXPECT_EQ(file.at("w").sizes(), (std::vector<std::int64_t>{3, 4}));
}

TEST_F(Safetensors, RefusesWrongHeaderLengths) {
  EXPECT_THAT(refusal(""), HasSubstr("bad.safetensors: is not a safetensors file: it has 0 bytes"));
  EXPECT_THAT(refusal("1234567"), HasSubstr("it has 7 bytes"));
  EXPECT_THAT(refusal(length_of(0)), HasSubstr("its header has 0 bytes"));
  EXPECT_THAT(refusal(length_of(3) + "{}"), HasSubstr("header of 3 bytes does not fit"));
  EXPECT_THAT(refusal(length_of(UINT64_MAX) + "{}"), HasSubstr("does not fit"));
  EXPECT_THAT(refusal(file_of(" {}", "")), HasSubstr("does not begin with '{'"));
  const auto path = write("big.safetensors", length_of(100'000'001));
  fs::resize_file(path, 100'000'100);
  EXPECT_THAT(error_of([&] { read_safetensors(path); }), HasSubstr("header has 100000001 bytes"));
}

TEST_F(Safetensors, RefusesEveryTruncation) {
  const auto path = folder_ / "x.safetensors";
  write_safetensors(path, {{"a", at::ones({5})}, {"b", at::ones({3}, at::kByte)}}, {{"k", "v"}});
  const std::string whole = read(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write("cut", whole.substr(0, size));
    ASSERT_THROW(read_safetensors(folder_ / "cut"), Error) << size;
  }
  EXPECT_THROW(read_safetensors(write("long", whole + "x")), Error);
}

TEST_F(Safetensors, NamesForeignFiles) {
  EXPECT_THAT(
      refusal("version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
      HasSubstr("is a git-lfs pointer, not the file itself\n  fetch the file: git lfs pull"));
  EXPECT_THAT(refusal("PK\x03\x04" + std::string(100, '\0')), HasSubstr("ZIP archive (a .pth"));
  EXPECT_THAT(refusal("\x80\x02\x8a\x0a" + std::string(100, 'l')), HasSubstr("Python pickle"));
}

TEST_F(Safetensors, RefusesWhatIsNotAFile) {
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_safetensors(folder_ / "fifo"); }), HasSubstr("regular file"));
  EXPECT_THAT(error_of([&] { read_safetensors(folder_); }), HasSubstr("is a folder"));
  EXPECT_THAT(error_of([&] { read_safetensors(folder_ / "none"); }), HasSubstr("cannot open"));
}

TEST_F(Safetensors, RefusesBoolsThatAreNeither) {
  const std::string json = R"({"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})";
  const auto path = write("x", file_of(json, std::string("\x01\x02", 2)));
  EXPECT_THAT(error_of([&] { read_safetensors(path); }), HasSubstr("neither 0 nor 1"));
}

TEST_F(Safetensors, MissingTensorNamesTheNearest) {
  const auto path = folder_ / "x.safetensors";
  write_safetensors(path, {{"blocks.0.attention.weight", at::ones({1})}});
  const auto file = read_safetensors(path);
  EXPECT_THAT(error_of([&] { file.at("blocks.0.atention.weight"); }),
              HasSubstr("has no tensor 'blocks.0.atention.weight'\n  it has "
                        "'blocks.0.attention.weight'"));
}

TEST_F(Safetensors, RefusesToWriteWhatTheFormatLacks) {
  const auto write_one = [&](const NamedTensors& tensors) {
    return error_of([&] { write_safetensors(folder_ / "x", tensors); },
                    ErrorCode::kInvalidArgument);
  };
  EXPECT_THAT(write_one({{"z", at::zeros({1}, at::kComplexFloat)}}), HasSubstr("no dtype"));
  EXPECT_THAT(write_one({{"z", at::ones({1})}, {"z", at::ones({1})}}), HasSubstr("given twice"));
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(Safetensors, AgreesWithThePythonPackage) {
  const char* python = std::getenv("MEDAUG_TEST_PYTHON");
  if (python == nullptr) {
    GTEST_SKIP() << "MEDAUG_TEST_PYTHON names no Python with the packages safetensors and torch";
  }
  write_safetensors(folder_ / "ours",
                    {{"a", at::arange(5, at::kByte)},
                     {"b", at::arange(4).to(at::kBFloat16).view({2, 2})},
                     {"c", at::ones({}, at::kDouble)}},
                    {{"k", "v"}});
  write("again.py",
        "import sys\n"
        "from safetensors import safe_open\n"
        "from safetensors.torch import load_file, save_file\n"
        "metadata = safe_open(sys.argv[1], 'pt').metadata()\n"
        "save_file(load_file(sys.argv[1]), sys.argv[2], metadata)\n");
  const std::string command = std::string(python) + " " + (folder_ / "again.py").string() + " " +
                              (folder_ / "ours").string() + " " + (folder_ / "theirs").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto ours = read_safetensors(folder_ / "ours");
  const auto theirs = read_safetensors(folder_ / "theirs");
  EXPECT_EQ(theirs.metadata, ours.metadata);
  ASSERT_EQ(theirs.tensors.size(), 3U);
  for (const auto& [name, tensor] : ours.tensors) {
    EXPECT_TRUE(at::equal(theirs.at(name), tensor)) << name;
  }
}

TEST_F(Safetensors, ReadsTheGoldenFiles) {
  const char* shared = std::getenv("MEDAUG_SHARED");
  const fs::path golden = fs::path(shared == nullptr ? "" : shared) / "golden";
  if (!fs::is_directory(golden)) {
    GTEST_SKIP() << golden << " is not there";
  }
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(golden)) {
    if (entry.path().extension() == ".safetensors") {
      const auto file = read_safetensors(entry.path());
      EXPECT_EQ(read_safetensors_header(entry.path()).tensors.size(), file.tensors.size());
      ++count;
    }
  }
  EXPECT_GT(count, 0);
}

TEST_F(Safetensors, CopiesIntoAModelStrictly) {
  const auto path = folder_ / "x.safetensors";
  write_safetensors(
      path,
      {{"m.w", at::ones({2, 3}, at::kHalf)}, {"m.b", at::ones({3})}, {"other", at::ones({1})}});
  const auto file = read_safetensors(path);
  const NamedTensors good{{"w", at::zeros({2, 3})}, {"b", at::zeros({3})}};
  copy_into(good, file, "m.");
  EXPECT_TRUE(at::equal(good[0].second, at::ones({2, 3})));
  const NamedTensors wide{{"b", at::zeros({3})}, {"w", at::zeros({3, 2})}};
  EXPECT_THAT(error_of([&] { copy_into(wide, file, "m."); }),
              HasSubstr("tensor 'm.w': has shape [2, 3], the model needs [3, 2]"));
  EXPECT_TRUE(at::equal(wide[0].second, at::zeros({3})));
  EXPECT_THAT(error_of([&] { copy_into({{"w", at::zeros({2, 3})}}, file, "m."); }),
              HasSubstr("tensor 'm.b': is not part of this model"));
  EXPECT_THAT(error_of([&] { copy_into({{"c", at::zeros({3})}}, file, "m."); }),
              HasSubstr("has no tensor 'm.c'"));
}

TEST_F(Safetensors, FindsNumbersThatAreNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const NamedTensors tensors{{"a", at::ones({2})}, {"b", at::tensor({1.0F, nan})}};
  EXPECT_TRUE(all_finite(tensors[0].second));
  EXPECT_FALSE(all_finite(tensors[1].second));
  auto large = at::zeros({(1 << 20) + 1}, at::kBFloat16);
  EXPECT_TRUE(all_finite(large));
  large[1 << 20] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(all_finite(large)) << "in the last piece";
  write_safetensors(folder_ / "x", tensors);
  EXPECT_THAT(error_of([&] { require_finite(read_safetensors(folder_ / "x")); }),
              HasSubstr("tensor 'b': has a number that is not finite"));
}

}  // namespace
}  // namespace medaug
