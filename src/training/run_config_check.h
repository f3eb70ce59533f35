// SPDX-License-Identifier: MIT
#pragma once

#include "config/document.h"
#include "training/run_config.h"

namespace medaug {

/// The rules that hold between the keys of a config. @throws Error kConfig naming everything that
/// is wrong
void check_run_config(const RunConfig& config, const ConfigDocument& document, ConfigUse use);

}  // namespace medaug
