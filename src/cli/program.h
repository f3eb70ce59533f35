// SPDX-License-Identifier: MIT
#pragma once

namespace medaug::cli {

/// Parses and runs. Never throws: this is the program's exception border.
/// @return the exit status (base/error.h)
int run_program(int argc, char** argv);

}  // namespace medaug::cli
