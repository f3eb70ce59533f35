// SPDX-License-Identifier: MIT
#include "cli/program.h"

int main(int argc, char** argv) { return medaug::cli::run_program(argc, argv); }
