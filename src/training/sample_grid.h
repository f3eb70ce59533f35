// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "data/loader.h"
#include "models/generator.h"
#include "training/conditions.h"
#include "training/sampling.h"

namespace medaug {

/// A picture of how far the model is: held-out images with their masks drawn in, and under each
/// what the model makes of the same mask and caption with a fixed seed. 8-bit PNG.
void write_sample_grid(const std::filesystem::path& path, const Generator& model,
                       const Dataset& data, CaptionEncoder& captions,
                       const SamplingSettings& settings, std::int64_t count,
                       const std::string& title);

}  // namespace medaug
