// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "image/image.h"
#include "image/test_files.h"

// The names of the cases are those of the catalogue of bad inputs.

namespace medaug {
namespace {

using testing::TempFolder;
using namespace testing;
using ::testing::HasSubstr;

struct BadFile {
  const char* name;  ///< of the case, from the catalogue
  const char* file;
  std::function<std::string()> make;
  const char* message;  ///< part of what()
};

std::ostream& operator<<(std::ostream& out, const BadFile& bad) { return out << bad.name; }

class RefusesImage : public ::testing::TestWithParam<BadFile> {};

TEST_P(RefusesImage, NamesTheFileAndTheReason) {
  const TempFolder folder;
  const auto path = folder.write(GetParam().file, GetParam().make());
  try {
    read_image(path);
    FAIL() << "was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().file));
    EXPECT_THAT(e.what(), HasSubstr(GetParam().message));
  }
}

std::string huge_jpeg() {
  std::string jpeg = encoded(".jpg", 16, 16);
  const std::size_t frame = jpeg.find("\xFF\xC0");
  return jpeg.replace(frame + 5, 4, bytes({0xFF, 0xDC, 0xFF, 0xDC}));
}

std::string jpeg_frame(char marker, std::size_t at, char value) {
  std::string jpeg = encoded(".jpg", 16, 16);
  const std::size_t frame = jpeg.find("\xFF\xC0");
  jpeg[frame + 1] = marker;
  return at == 0 ? jpeg : changed(jpeg, frame + at, value);
}

std::string many_scans() {
  std::string jpeg = encoded(".jpg", 16, 16);
  const std::size_t scan = jpeg.find("\xFF\xDA");
  const std::string body = jpeg.substr(scan, jpeg.size() - 2 - scan);
  jpeg.resize(jpeg.size() - 2);
  for (int i = 0; i < 200; ++i) {
    jpeg += body;
  }
  return jpeg + "\xFF\xD9";
}

/// A second header that claims one pixel, for a decoder that believes the first.
std::string two_png_headers() {
  auto file = png({});
  const auto small = png_chunk("IHDR", bytes({0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0}));
  return file.insert(file.size() - 12, small);
}

std::string two_jpeg_frames() {
  std::string jpeg = encoded(".jpg", 16, 16);
  const auto small = bytes({0xFF, 0xC0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0});
  return jpeg.insert(jpeg.size() - 2, small);
}

INSTANTIATE_TEST_SUITE_P(
    Catalogue, RefusesImage,
    ::testing::Values(
        BadFile{"SecondPngHeader", "a.png", two_png_headers, "a second IHDR chunk"},
        BadFile{"SecondJpegFrame", "a.jpg", two_jpeg_frames, "a second frame header"},
        BadFile{"I01", "a.png", [] { return std::string(); }, "empty (0 bytes)"},
        BadFile{"I02", "a.png", [] { return std::string("\x89"); }, "not a PNG"},
        BadFile{"I03", "a.png", [] { return std::string("hello, this is text\n"); }, "a text file"},
        BadFile{"I04", "a.png", [] { return std::string("<!DOCTYPE html><html>"); },
                "an HTML page"},
        BadFile{"I05", "a.png", [] { return kPngSignature; }, "the PNG is cut"},
        BadFile{"I06", "a.png", [] { return png_header({}).substr(0, 20); }, "the PNG is cut"},
        BadFile{"I07", "a.png", [] { return changed(png({}), 30, '\1'); },
                "checksum of chunk IHDR"},
        BadFile{"I08", "a.png", [] { return png({}).substr(0, 45); }, "chunk IDAT at byte 33"},
        BadFile{"I09", "a.png", [] { return changed(png({}), 43, '\x55'); },
                "checksum of chunk IDAT"},
        BadFile{"I10", "a.png", [] { return png({.end = ""}); }, "no IEND chunk"},
        BadFile{"I11", "a.png", [] { return png({}) + std::string(10 << 20, 'x'); },
                "10485760 bytes follow the end"},
        BadFile{"I12", "a.png", [] { return png({}) + "PK\x03\x04"; }, "hidden or glued"},
        BadFile{"I13", "a.png", [] { return png({.width = 0}); }, "a side of 0 pixels (0 x 2)"},
        BadFile{"I14", "a.png", [] { return png({.height = 0}); }, "a side of 0 pixels (2 x 0)"},
        BadFile{"I15", "a.png", [] { return png({.width = 2147483647, .height = 1}); },
                "the limit is"},
        BadFile{"I16", "a.png", [] { return png({.width = 1, .height = 2147483647}); },
                "the limit is"},
        BadFile{"I17", "a.png",
                [] { return png({.width = 65535, .height = 65535, .bit_depth = 1}); },
                "65535 x 65535"},
        BadFile{"I18", "a.png", [] { return png({.width = 30000, .height = 30000}); },
                "30000 x 30000"},
        BadFile{"I20", "a.png", [] { return png({.color_type = 3}); }, "needs a palette"},
        BadFile{"I21", "a.png",
                [] {
                  return png({.color_type = 3,
                              .before = png_chunk("PLTE", bytes({1, 2, 3})),
                              .rows = bytes({0, 0, 7, 0, 0, 0})});
                },
                "palette entry 7"},
        BadFile{"I22", "a.png", [] { return png({.before = png_chunk("tRNS", "abc")}); },
                "tRNS chunk has 3 bytes"},
        BadFile{"I23", "a.png", [] { return png({.bit_depth = 3}); }, "bit depth 3"},
        BadFile{"I24", "a.png", [] { return png({.color_type = 5}); }, "colour type 5"},
        BadFile{"I25", "a.png", [] { return png({.interlace = 9}); }, "interlace method 9"},
        BadFile{"ShortData", "a.png", [] { return png({.rows = std::string(3, '\0')}); },
                "the PNG is damaged"},
        BadFile{"I36", "a.jpg",
                [] {
                  const std::string jpeg = encoded(".jpg", 64, 64);
                  return jpeg.substr(0, jpeg.size() - 60);
                },
                "no end-of-image marker"},
        BadFile{"I36b", "a.jpg",
                [] {
                  const std::string jpeg = encoded(".jpg", 64, 64);
                  return jpeg.substr(0, jpeg.size() - 200) + "\xFF\xD9";
                },
                "the JPEG is damaged"},
        BadFile{"I37", "a.jpg", huge_jpeg, "65500 x 65500"},
        BadFile{"I38", "a.jpg", many_scans, "201 scans"},
        BadFile{"I40", "a.jpg", [] { return jpeg_frame('\xC1', 4, 12); }, "12-bit JPEG"},
        BadFile{"I41", "a.jpg", [] { return jpeg_frame('\xC9', 0, 0); }, "arithmetic-coded"},
        BadFile{"Lossless", "a.jpg", [] { return jpeg_frame('\xC3', 0, 0); }, "lossless"},
        BadFile{"I46", "a.jpg", [] { return std::string("\0\0\0\x0CjP  \r\n\x87\n", 12); },
                "a JPEG 2000 file"},
        BadFile{"I48", "a.bmp",
                [] { return encoded(".bmp", 4, 4).replace(10, 4, little32(100000)); },
                "the BMP is cut"},
        BadFile{"I49", "a.bmp", [] { return encoded(".bmp", 4, 4).replace(30, 4, little32(1)); },
                "compression 1"},
        BadFile{"I50", "a.tif", [] { return tiff(tiff_grey(2, 1, 8), bytes({7, 9}), 8); },
                "points back to itself"},
        BadFile{"I51", "a.tif",
                [] {
                  const std::string file = tiff(tiff_grey(2, 2, 8), bytes({7, 9, 1, 1}));
                  return file.substr(0, file.size() - 1);
                },
                "the TIFF is cut: strip 1"},
        BadFile{"I53", "a.tif",
                [] { return tiff(tiff_grey(1, 1, 32, 3), bytes({0, 0, 0xC0, 0x7F})); },
                "32-bit float"},
        BadFile{"I54", "a.webp", [] { return std::string("RIFF\x10\0\0\0WEBPVP8 ", 16); },
                "a WebP file"},
        BadFile{"I55", "a.gif", [] { return std::string("GIF89a\xFF\xFF\xFF\xFF"); }, "a GIF file"},
        BadFile{"I56", "a.svg", [] { return std::string("<?xml version=\"1.0\"?><svg>"); },
                "an SVG drawing"},
        BadFile{"I57", "a.png", dicom, "names the patient"},
        BadFile{"I58", "a.nii.gz", [] { return std::string("\x1F\x8B\x08 and so on"); }, "NIfTI"},
        BadFile{"Lfs", "a.png",
                [] { return std::string("version https://git-lfs.github.com/spec/v1\n"); },
                "git lfs pull"}),
    [](const auto& test_case) { return std::string(test_case.param.name); });

TEST(ReadImageFiles, MissingFolderAndPipeAreNamed) {
  const TempFolder folder;
  EXPECT_THROW(read_image(folder.path() / "none.png"), Error);
  EXPECT_THROW(read_image(folder.path()), Error);
  EXPECT_THROW(read_image("/dev/zero"), Error);
}

}  // namespace
}  // namespace medaug
