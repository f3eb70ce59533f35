// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/loader.h"
#include "evaluation/labels.h"

namespace medaug {

/// Images and the class of each.
struct LabelledImages {
  std::string name;  ///< of the manifest
  std::shared_ptr<const Dataset> data;
  std::vector<std::int64_t> classes;  ///< index into the class list
  std::int64_t skipped = 0;           ///< records without a class

  std::int64_t size() const { return data ? data->size() : 0; }
};

/// Decodes them. @param preprocess  channels and depth are settled where they are open
/// @throws Error kData
LabelledImages read_images(const LabelledManifest& manifest, const ClassList& classes,
                           PreprocessOptions& preprocess, int threads = 2);

/// Those at these places, each as often as it is named.
LabelledImages chosen(const LabelledImages& from, const std::vector<std::int64_t>& indices);
/// Places of the images that a resample draws together: those of one `group`, or a single one
/// without a group.
std::vector<std::vector<std::size_t>> resampling_units(const LabelledImages& images);
/// All images of both. The name is the first one's.
LabelledImages joined(const LabelledImages& a, const LabelledImages& b);
/// The images of `a` that have other pixels than every image of `b`.
LabelledImages without_copies(const LabelledImages& a, const LabelledImages& b);
/// The images that are no originals which `augment` put beside what it made.
LabelledImages without_originals(const LabelledImages& images);
/// Every class as often as the largest one: the images of the others come several times, as evenly
/// as it goes.
LabelledImages balanced(const LabelledImages& images, std::int64_t classes);

/// Images of each class.
std::vector<std::int64_t> class_counts(const LabelledImages& images, std::int64_t classes);

/// Refuses images that stand in both: the same pixels at the size that they were read at (whatever
/// the file), or the same `group`. A score on one would then not be independent of the other.
/// @throws Error kData naming both places and how many there are
void refuse_leaks(const LabelledImages& train, const LabelledImages& held_out);

}  // namespace medaug
