// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "models/resnet.h"

namespace medaug {

/// Fills a ResNet but for its classifier from weights that a user brings: torchvision's keys, with
/// any prefix (`module.`, `backbone.`), or the numbers of torch.nn.Sequential over ResNet's
/// children as RadImageNet's export has them (`backbone.4.0.conv1.weight` is layer1.0.conv1). Other
/// tensors of the file are not looked at.
/// @throws Error kCheckpoint for a file that does not hold this network
void load_resnet_weights(ResNet& network, const std::filesystem::path& path);

}  // namespace medaug
