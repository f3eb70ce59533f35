// SPDX-License-Identifier: MIT
// The program `medaug-core`, which `medaug` starts (front/main.cc).

#include "cli/program.h"

int main(int argc, char** argv) { return medaug::cli::run_program(argc, argv); }
