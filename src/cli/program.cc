// SPDX-License-Identifier: MIT
#include "cli/program.h"

#include <c10/util/Exception.h>

#include <exception>
#include <iostream>
#include <new>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/error.h"
#include "cli/front/command_line.h"
#include "cli/run.h"
#include "cli/version.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

template <class Command>
int run_one(const Globals& globals, const Command& command) {
  if constexpr (std::is_same_v<Command, std::monostate>) {
    throw Error(ErrorCode::kInternal, "medaug", "no verb was called");
  } else {
    return run(globals, command);
  }
}

Error out_of_memory() {
  return {
      ErrorCode::kResource, "", "out of memory",
      "lower training.batch_size (with training.accumulation raised) or data.image_size, or set "
      "training.checkpoint_activations=true; when generating, lower the image size"};
}

/// The CPU allocator of LibTorch throws the general error.
bool is_out_of_memory(const c10::Error& error) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         std::string_view(error.what_without_backtrace()).find("can't allocate memory") !=
             std::string_view::npos;
}

}  // namespace

int run_program(int argc, char** argv) {
  Globals globals;
  int status = 0;
  switch (parse_command_line(argc, argv, globals, status)) {
    case Parsed::kDone:
      return status;
    case Parsed::kVersion:
      std::cout << version_text() << std::endl;
      return 0;
    case Parsed::kCommand:
      break;
  }
  for (int i = 0; i < argc; ++i) {
    globals.line += concat({i > 0 ? " " : "", shell_quoted(i > 0 ? argv[i] : "medaug")});
  }
  try {
    return std::visit([&](const auto& command) { return run_one(globals, command); },
                      globals.command);
  } catch (const Error& e) {
    print_error(globals, e);
    return exit_status(e.code());
  } catch (const c10::Error& e) {
    if (is_out_of_memory(e)) {
      print_error(globals, out_of_memory());
      return exit_status(ErrorCode::kResource);
    }
    print_error(globals, {ErrorCode::kInternal, "LibTorch", e.what_without_backtrace(),
                          "this is a fault of medaug, please report it"});
  } catch (const std::bad_alloc&) {
    print_error(globals, out_of_memory());
    return exit_status(ErrorCode::kResource);
  } catch (const std::exception& e) {
    print_error(globals, {ErrorCode::kInternal, "", e.what(),
                          "this is a fault of medaug, please report it"});
  }
  return exit_status(ErrorCode::kInternal);
}

}  // namespace medaug::cli
