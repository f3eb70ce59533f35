// SPDX-License-Identifier: MIT
#include "data/pair.h"

#include <ATen/ops/zeros.h>

#include "base/error.h"
#include "base/strings.h"
#include "data/buckets.h"

namespace medaug {
namespace {

std::string shown(const std::filesystem::path& path) { return printable(path.string(), 400); }

std::string size_text(std::int64_t width, std::int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

// Errors of the readers name the file; the user also wants the line that names the file.
template <class Read>
auto with_place(const std::string& where, const char* what, Read read) {
  try {
    return read();
  } catch (const Error& e) {
    const std::string message =
        std::string(what) + " " + (e.where().empty() ? "" : e.where() + ": ") + e.message();
    throw Error(e.code(), where, message, e.hint());
  }
}

std::string mismatch_hint(const StoredPair& pair) {
  const bool swapped =
      pair.levels.size(1) == pair.image.width() && pair.levels.size(2) == pair.image.height();
  if (swapped && pair.image.orientation >= 5) {
    return "the image was turned by its EXIF orientation (" +
           std::to_string(pair.image.orientation) +
           ") and the mask was not: turn the mask as well, or remove the tag and turn neither";
  }
  if (swapped) {
    return "width and height are swapped: turn the mask by 90 degrees";
  }
  return "masks must have the size of their image; 'medaug check data' lists all such pairs";
}

void check_same_size(const StoredPair& pair, const Record& record, const std::string& where) {
  if (pair.levels.size(1) == pair.image.height() && pair.levels.size(2) == pair.image.width()) {
    return;
  }
  throw Error(ErrorCode::kData, where,
              "mask " + shown(*record.mask_path) + " is " +
                  size_text(pair.levels.size(2), pair.levels.size(1)) + " but image " +
                  shown(record.image_path) + " is " +
                  size_text(pair.image.width(), pair.image.height()),
              mismatch_hint(pair));
}

}  // namespace

StoredPair read_stored_pair(const Record& record, const std::string& where) {
  StoredPair pair;
  pair.image = with_place(where, "image", [&] { return read_image(record.image_path); });
  if (record.mask_path) {
    pair.levels = with_place(where, "mask", [&] { return read_mask_levels(*record.mask_path); });
    check_same_size(pair, record, where);
  }
  return pair;
}

Pair preprocess_pair(const StoredPair& stored, const Record& record,
                     const PreprocessOptions& wanted, const std::string& where) {
  const auto options = sized_for(wanted, stored.image.height(), stored.image.width(),
                                 record.image_path.filename().string());
  Pair pair;
  pair.image = preprocess_image(stored.image, options);
  pair.stored_bit_depth = stored.image.bit_depth;
  pair.has_mask = stored.levels.defined();
  pair.mask =
      pair.has_mask
          ? with_place(
                where, "mask",
                [&] { return preprocess_mask(stored.levels, options, shown(*record.mask_path)); })
          : at::zeros({options.mask_classes, options.height(), options.width()}, at::kFloat);
  return pair;
}

Pair read_pair(const Record& record, const PreprocessOptions& options, const std::string& where) {
  return preprocess_pair(read_stored_pair(record, where), record, options, where);
}

std::string place_of(const Manifest& manifest, const Record& record) {
  return printable(manifest.path.string(), 400) + ":" + std::to_string(record.line);
}

}  // namespace medaug
