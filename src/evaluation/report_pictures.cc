// SPDX-License-Identifier: MIT
#include "evaluation/report_pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "data/preprocess.h"
#include "image/overlay.h"
#include "image/resize.h"

namespace medaug {
namespace {

using at::Tensor;

constexpr double kTint = 0.15;
constexpr double kDifferenceGain = 2.0;  // the picture's text says so

std::optional<std::filesystem::path> path_at(const Json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_string()
             ? std::optional<std::filesystem::path>(found->get<std::string>())
             : std::nullopt;
}

/// (C, H, W) float32 at a size of at most `side`.
Tensor averaged(const Tensor& planes, std::int64_t side) {
  const auto longer = std::max(planes.size(1), planes.size(2));
  if (longer <= side) {
    return planes.to(at::kFloat);
  }
  const auto scaled = [&](std::int64_t length) {
    return std::max<std::int64_t>(
        1, std::llround(static_cast<double>(length * side) / static_cast<double>(longer)));
  };
  return resize_area(
      planes,
      {.height = scaled(planes.size(1)), .width = scaled(planes.size(2)), .box = whole(planes)});
}

/// 8 bits for the screen; grey stays one channel.
Image display(const Image& image) {
  auto shown = to_display(image);
  if (image.channels() == 1) {
    shown.pixels = shown.pixels.slice(0, 0, 1).contiguous();
  }
  return shown;
}

/// The planes drawn over the image, both at the size of the report: an outline of one pixel would
/// fade if it were drawn before.
Image outlined(const Image& image, const Tensor& planes, std::int64_t side) {
  const auto small = shrunk(display(image), side);
  const auto wanted = at::upsample_nearest2d(planes.to(at::kFloat).unsqueeze(0),
                                             {image.height(), image.width()})[0];
  return overlay_mask(small, averaged(wanted, side), {.tint = kTint});
}

/// (1, H, W) float32: any class of the mask.
Tensor any_class(const std::filesystem::path& mask) {
  return read_mask_levels(mask).ne(0).any(0, true).to(at::kFloat);
}

Image difference(const Image& generated, const std::filesystem::path& reference) {
  PreprocessOptions options;
  options.image_size = generated.height();
  options.image_width = generated.width();
  options.channels = generated.channels();
  const auto other = preprocess_image(read_image(reference), options);
  const auto apart = (to_unit_range(generated) - other).abs().mean(0, true);  // [0, 2]
  return from_unit_range((apart * kDifferenceGain - 1.0).clamp_max(1.0), 8);
}

/// What the pictures of one row are made of.
struct Maker {
  const Json& row;
  const RegionFinder& finder;
  std::int64_t side;
  std::vector<Picture> pictures = {};

  /// The row's values stay when a file has gone since they were measured; its picture is left out.
  template <class Make>
  void add(const char* kind, const Make& make) {
    try {
      pictures.push_back({kind, make()});
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kData && e.code() != ErrorCode::kInvalidArgument) {
        throw;
      }
    }
  }

  void add_file(const char* kind, const char* key) {
    if (const auto path = path_at(row, key)) {
      add(kind, [&] { return shrunk(display(read_image(*path)), side); });
    }
  }

  void add_regions(const Image& image) {
    const auto mask = path_at(row, "mask");
    if (finder.segmenter != nullptr) {
      add_segmenter(image, mask);
      return;
    }
    if (mask) {
      add("picture.mask", [&] { return outlined(image, any_class(*mask), side); });
    }
    if (finder.rule) {
      add("picture.coloured", [&] {
        return outlined(image, colour_mask(image, *finder.rule).mask.unsqueeze(0), side);
      });
    }
  }

  /// Both as the segmenter sees them, so that the pictures show what was measured.
  void add_segmenter(const Image& image, const std::optional<std::filesystem::path>& mask) {
    const auto& preprocess = finder.segmenter->info().preprocess;
    const auto input = preprocess_image(image, preprocess);  // (C, H, W)
    const auto seen = from_unit_range(input, 8);
    if (mask) {
      add("picture.mask", [&] {
        return outlined(seen, preprocess_mask(read_mask_levels(*mask), preprocess, mask->string()),
                        side);
      });
    }
    add("picture.predicted", [&] {
      return outlined(seen, finder.segmenter->probabilities(input.unsqueeze(0))[0], side);
    });
  }
};

}  // namespace

Image shrunk(const Image& image, std::int64_t side) {
  return {averaged(image.pixels, side).round().clamp(0, 255).to(at::kByte), 8};
}

std::vector<Picture> pictures_of(const Json& row, const RegionFinder& finder, std::int64_t side) {
  Maker maker{row, finder, side};
  maker.add_file("picture.generated", "generated");
  maker.add_file("picture.reference", "reference");
  if (!maker.pictures.empty() && maker.pictures.front().kind == "picture.generated") {
    const auto image = read_image(*path_at(row, "generated"));
    maker.add_regions(image);
    if (const auto reference = path_at(row, "reference")) {
      maker.add("picture.difference", [&] { return shrunk(difference(image, *reference), side); });
    }
  }
  maker.add_file("picture.nearest", "nearest_training");
  return std::move(maker.pictures);
}

std::string data_uri(const Image& image) {
  return "data:image/png;base64," + base64(encode_png(image));
}

}  // namespace medaug
