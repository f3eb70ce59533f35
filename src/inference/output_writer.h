// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/preprocess.h"
#include "image/image.h"
#include "inference/image_generator.h"
#include "training/sampling.h"

namespace medaug {

/// What all images of one call share; it goes into every PNG.
struct Provenance {
  std::string version;            ///< of medaug
  std::string checkpoint_sha256;  ///< of the model file
  GenerateSettings settings;
  std::string precision;  ///< "bfloat16"
};

/// One image before it is written.
struct MadeImage {
  std::int64_t number = 0;       ///< names the files: images/000012.png
  GenerateRequest request;       ///< what was asked for; its mask is written too
  at::Tensor pixels;             ///< (C, H, W) float32 in [-1, 1]
  std::int64_t channels = 0;     ///< 1 turns a colour image grey, 3 repeats a grey one; 0 = as is
  int bit_depth = 8;             ///< 8 or 16
  Json fields = Json::object();  ///< further fields of its manifest line: label, source line, ...
};

/// (1, H, W) labels of soft planes (K, H, W): what training reads back as the same classes, that is
/// `mask_labels`, or 255 for one class and 1..K for more. A pixel belongs to a class when the
/// planes cover half of it; a class too small for that keeps its fullest pixel.
Image label_map(const at::Tensor& planes, const PreprocessOptions& options);

/// Colour or grey as wanted (ITU-R 601 luma), at 8 or 16 bit.
Image stored_form(const at::Tensor& pixels, std::int64_t channels, int bit_depth);

/// The text of a made image's PNG: everything that makes it again with the same checkpoint, the
/// mask included (key "mask_png": the label map as a PNG in base64), and the notice.
std::map<std::string, std::string> png_text_of(const Provenance& provenance,
                                               const GenerateRequest& request,
                                               const PreprocessOptions& preprocess);

/// Writes images/, masks/ and a manifest below a folder, one image at a time: a picture is on the
/// disk before its line is, so a stop at any moment loses at most the image in hand. Not
/// thread-safe.
class OutputWriter {
 public:
  /// Makes the folders. @param manifest  name of the manifest in `folder`. @throws Error kResource
  OutputWriter(std::filesystem::path folder, std::string manifest, Provenance provenance,
               PreprocessOptions preprocess);

  /// @return  the manifest line. @throws Error kResource
  Json write(const MadeImage& made);

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::filesystem::path manifest_;
  Provenance provenance_;
  PreprocessOptions preprocess_;
};

/// Up to `most` images of manifest lines, spread evenly, with their masks drawn over and their
/// captions below: `folder`/contact_sheet.png.
void write_contact_sheet(const std::filesystem::path& folder, const std::vector<Json>& lines,
                         const PreprocessOptions& preprocess, const std::string& title,
                         std::size_t most = 32);

}  // namespace medaug
