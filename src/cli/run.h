// SPDX-License-Identifier: MIT
#pragma once

#include "cli/globals.h"

namespace medaug::cli {

// One function per verb, each in a file of its own: what it does when the command line was
// understood. To add a verb, write its options (front/commands.h), its command line (front/VERB.cc)
// and this. @return the exit status

int run(const Globals& globals, const AugmentCommand& options);
int run(const Globals& globals, const CheckCheckpointCommand& options);
int run(const Globals& globals, const CheckConfigCommand& options);
int run(const Globals& globals, const CheckDataCommand& options);
int run(const Globals& globals, const CheckEnvCommand& options);
int run(const Globals& globals, const CheckPathsCommand& options);
int run(const Globals& globals, const ClassifyCommand& options);
int run(const Globals& globals, const ExperimentCommand& command);
int run(const Globals& globals, const CompletionCommand& options);
int run(const Globals& globals, const ConvertCommand& command);
int run(const Globals& globals, const EvaluateCommand& options);
int run(const Globals& globals, const GenerateCommand& options);
int run(const Globals& globals, const HelpCommand& options);
int run(const Globals& globals, const LoraMergeCommand& options);
int run(const Globals& globals, const PhantomCommand& options);
int run(const Globals& globals, const RollbackCommand& options);
int run(const Globals& globals, const SegmenterTrainCommand& options);
int run(const Globals& globals, const ServeCommand& options);
int run(const Globals& globals, const SmokeTestCommand& options);
int run(const Globals& globals, const TrainCommand& options);

}  // namespace medaug::cli
