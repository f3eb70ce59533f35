// SPDX-License-Identifier: MIT
#include "data/phantom.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "data/phantom_draw.h"

namespace medaug {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPicturesPerPatient = 2;
constexpr std::uint64_t kPatientStream = 1ULL << 40;  // beside the pictures' own streams

/// What a caption says about one class.
struct Extent {
  double share = 0.0;  ///< of the picture
  double x = 0.0;      ///< middle, in [0, 1]
  double y = 0.0;
  int parts = 0;  ///< separate lesions
};

/// Marks the part that holds `start` (4-neighbours).
void fill_part(const std::uint8_t* levels, std::int64_t side, std::int64_t start,
               std::vector<bool>& seen) {
  std::vector<std::int64_t> open{start};
  while (!open.empty()) {
    const std::int64_t i = open.back();
    open.pop_back();
    if (seen[static_cast<std::size_t>(i)] || levels[i] != levels[start]) {
      continue;
    }
    seen[static_cast<std::size_t>(i)] = true;
    const std::int64_t x = i % side;
    const std::int64_t y = i / side;
    for (const auto& [dx, dy] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}}) {
      if (x + dx >= 0 && x + dx < side && y + dy >= 0 && y + dy < side) {
        open.push_back(i + dx + dy * side);
      }
    }
  }
}

Extent extent_of(const at::Tensor& levels, std::uint8_t label) {
  const auto* v = levels.const_data_ptr<std::uint8_t>();
  const std::int64_t side = levels.size(1);
  double count = 0.0;
  Extent extent;
  std::vector<bool> seen(static_cast<std::size_t>(side * side));
  for (std::int64_t i = 0; i < side * side; ++i) {
    if (v[i] == label) {
      if (!seen[static_cast<std::size_t>(i)]) {
        fill_part(v, side, i, seen);
        ++extent.parts;
      }
      count += 1.0;
      extent.x += static_cast<double>(i % side);
      extent.y += static_cast<double>(i / side);
    }
  }
  const auto scale = static_cast<double>(side - 1) * std::max(count, 1.0);
  return {count / static_cast<double>(side * side), extent.x / scale, extent.y / scale,
          extent.parts};
}

std::string place_words(const Extent& extent) {
  const auto third = [](double v) { return v < 0.42 ? 0 : v > 0.58 ? 2 : 1; };
  static constexpr const char* kPlaces[3][3] = {
      {"the upper left of the image", "the upper part of the image",
       "the upper right of the image"},
      {"the left part of the image", "the centre of the image", "the right part of the image"},
      {"the lower left of the image", "the lower part of the image",
       "the lower right of the image"}};
  return kPlaces[third(extent.y)][third(extent.x)];
}

std::string size_word(double share) {
  return share < 0.012 ? "small" : share < 0.03 ? "medium-sized" : "large";
}

std::string lesion_words(const Extent& extent, const std::string& kind) {
  if (extent.parts > 1) {  // their middle may be at none of them
    return std::to_string(extent.parts) + " " + kind + " lesions";
  }
  return std::string("a ")
      .append(size_word(extent.share))
      .append(" ")
      .append(kind)
      .append(" lesion in ")
      .append(place_words(extent));
}

std::string findings(const at::Tensor& levels, PhantomKind kind) {
  if (kind == PhantomKind::kScan) {
    const Extent lesion = extent_of(levels, 255);
    return lesion.share > 0.0 ? lesion_words(lesion, "bright") : "no lesion";
  }
  const Extent bright = extent_of(levels, 1);
  const Extent dark = extent_of(levels, 2);
  if (bright.share > 0.0 && dark.share > 0.0) {
    return lesion_words(bright, "bright") + " and " + lesion_words(dark, "dark");
  }
  if (bright.share > 0.0 || dark.share > 0.0) {
    return bright.share > 0.0 ? lesion_words(bright, "bright") : lesion_words(dark, "dark");
  }
  return "no lesion";
}

std::string caption_of(const Phantom& phantom, PhantomKind kind, RandomStream& stream) {
  const std::string what = findings(phantom.levels, kind);
  const std::string grade = std::to_string(phantom.label);
  const std::string name = kind == PhantomKind::kFundus ? "fundus photograph" : "head scan";
  switch (stream.below(4)) {
    case 0:
      return "Grade " + grade + " " + name + " with " + what;
    case 1:
      return "A " + name + " showing " + what + ", grade " + grade;
    case 2:
      return "Phantom " + name + ", grade " + grade + ", " + what;
    default:
      return "Phantom " + name + "; " + what;
  }
}

at::Tensor to_levels(const std::vector<internal::Plane>& lesions, PhantomKind kind) {
  const std::int64_t side = lesions[0].side();
  at::Tensor levels = at::zeros({1, side, side}, at::kByte);
  auto* v = levels.mutable_data_ptr<std::uint8_t>();
  for (std::size_t k = 0; k < lesions.size(); ++k) {
    const auto label = static_cast<std::uint8_t>(kind == PhantomKind::kScan ? 255 : k + 1);
    for (std::int64_t i = 0; i < side * side; ++i) {
      if (v[i] == 0 && lesions[k].at(i / side, i % side) >= 0.5F) {
        v[i] = label;
      }
    }
  }
  return levels;
}

Image to_image(const std::vector<internal::Plane>& colours, RandomStream& stream) {
  const std::int64_t side = colours[0].side();
  const auto channels = static_cast<std::int64_t>(colours.size());
  at::Tensor pixels = at::empty({channels, side, side}, at::kByte);
  auto* out = pixels.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < side * side; ++i) {
    const double noise = 0.9 * stream.normal();  // the sensor's, the same in all colours
    for (std::int64_t c = 0; c < channels; ++c) {
      const double level =
          255.0 * static_cast<double>(colours[static_cast<std::size_t>(c)].at(i / side, i % side));
      out[c * side * side + i] =
          static_cast<std::uint8_t>(std::clamp(std::floor(level + noise + 0.5), 0.0, 255.0));
    }
  }
  return {pixels, 8};
}

std::vector<internal::Plane> halved(const std::vector<internal::Plane>& planes) {
  std::vector<internal::Plane> out;
  for (const auto& plane : planes) {
    out.push_back(internal::halve(plane));
  }
  return out;
}

std::string padded(std::int64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

enum Split : std::size_t { kTrain, kVal, kTest };
constexpr std::array<const char*, 3> kSplitNames{"train", "val", "test"};

/// Split of each patient: at least one each in val and test.
std::vector<Split> split_patients(std::int64_t patients, std::uint64_t seed) {
  const std::int64_t held =
      std::max<std::int64_t>(1, std::llround(0.15 * static_cast<double>(patients)));
  std::vector<Split> splits(static_cast<std::size_t>(patients), kTrain);
  const auto order =
      permutation(patients, RandomStream(seed, Purpose::kPhantom, kPatientStream + 1));
  for (std::int64_t i = 0; i < 2 * held && i + 1 < patients; ++i) {
    splits[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = i < held ? kVal : kTest;
  }
  return splits;
}

std::string write_one(const fs::path& folder, const PhantomOptions& options, std::int64_t index) {
  const Phantom phantom = make_phantom(options, index);
  const std::string name = std::string(enum_name(options.kind)) + "_" + padded(index) + ".png";
  write_png(folder / "images" / name, phantom.image,
            {{"Description", "procedural phantom, not a medical image"}});
  write_png(folder / "masks" / name, Image{phantom.levels, 8});
  nlohmann::ordered_json line;
  line["image_path"] = std::string("images/").append(name);
  line["caption"] = phantom.caption;
  line["mask_path"] = std::string("masks/").append(name);
  line["label"] = phantom.label;
  line["group"] = phantom.group;
  return line.dump() + "\n";
}

std::vector<std::string> write_all(const fs::path& folder, const PhantomOptions& options) {
  std::vector<std::string> lines(static_cast<std::size_t>(options.count));
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::int64_t i = next++; i < options.count; i = next++) {
        lines[static_cast<std::size_t>(i)] = write_one(folder, options, i);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = options.count;
    }
  };
  {
    std::vector<std::jthread> pool;
    for (unsigned t = 1; t < std::clamp(std::thread::hardware_concurrency(), 1U, 16U); ++t) {
      pool.emplace_back(work);
    }
    work();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  return lines;
}

}  // namespace

Phantom make_phantom(const PhantomOptions& options, std::int64_t index) {
  const std::int64_t patient = index / kPicturesPerPatient;
  const auto kind = static_cast<std::uint64_t>(options.kind);
  RandomStream own(options.seed, Purpose::kPhantom, static_cast<std::uint64_t>(index), kind);
  const RandomStream shared(options.seed, Purpose::kPhantom,
                            kPatientStream + 2 + static_cast<std::uint64_t>(patient), kind);
  const auto draw =
      options.kind == PhantomKind::kFundus ? internal::draw_fundus : internal::draw_scan;
  // Pictures of other sizes show the same scene: size is no part of the streams' keys.
  const internal::Drawing drawing = draw(2 * options.size, shared, own);
  RandomStream rest(options.seed, Purpose::kPhantom, static_cast<std::uint64_t>(index), kind + 16);
  Phantom phantom;
  phantom.image = to_image(halved(drawing.colours), rest);
  phantom.levels = to_levels(halved(drawing.lesions), options.kind);
  phantom.label = drawing.grade;
  phantom.group = std::string("P").append(padded(patient));
  phantom.caption = caption_of(phantom, options.kind, rest);
  return phantom;
}

PhantomSummary write_phantom(const fs::path& folder, const PhantomOptions& options) {
  if (options.count < 1 || options.size < 32 || options.size > 1024) {
    throw Error(ErrorCode::kInvalidArgument, "phantom", "needs count >= 1 and size in 32..1024");
  }
  make_folders(folder);
  const Json marker{{"kind", std::string(enum_name(options.kind))},
                    {"count", options.count},
                    {"size", options.size},
                    {"seed", options.seed}};
  write_file_atomically(folder / kPhantomMarker, marker.dump() + "\n");
  make_folders(folder / "images");
  make_folders(folder / "masks");
  const std::vector<std::string> lines = write_all(folder, options);
  const std::int64_t patients = (options.count + kPicturesPerPatient - 1) / kPicturesPerPatient;
  const std::vector<Split> splits = split_patients(patients, options.seed);
  std::array<std::string, 3> manifests;
  std::array<std::int64_t, 3> counts{};
  for (std::int64_t i = 0; i < options.count; ++i) {
    const Split split = splits[static_cast<std::size_t>(i / kPicturesPerPatient)];
    manifests[split] += lines[static_cast<std::size_t>(i)];
    ++counts[split];
  }
  for (std::size_t s = 0; s < manifests.size(); ++s) {
    write_file_atomically(folder / (std::string(kSplitNames[s]) + ".jsonl"), manifests[s]);
  }
  const bool fundus = options.kind == PhantomKind::kFundus;
  return {counts[kTrain], counts[kVal], counts[kTest],
          fundus ? std::vector<std::string>{"bright lesion", "dark lesion"}
                 : std::vector<std::string>{"lesion"}};
}

}  // namespace medaug
