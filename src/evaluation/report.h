// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "base/fields.h"
#include "evaluation/segmenter.h"
#include "evaluation/texts.h"

namespace medaug {

struct ReportOptions {
  Language language =
      Language::kEnglish;  ///< without JavaScript; with it the reader's own, or ?lang=
  const Segmenter* segmenter = nullptr;  ///< draws what it finds in the images that are shown
};

/// One HTML file with everything in it: tables of every part, histograms, the ten worst and the ten
/// best images and those flagged as copies (each with what belongs to it), a table of all images,
/// and where the figures came from. It opens from disk and forbids itself every request. All its
/// pictures together take at most 6 MB; with 1,000 images it stays under 8 MB.
/// @param evaluation  as `evaluate` returns it; parts may be absent, numbers null
/// @throws Error kResource when the file cannot be written
void write_report(const Json& evaluation, const std::filesystem::path& path,
                  const ReportOptions& options = {});

}  // namespace medaug
