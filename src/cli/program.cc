// SPDX-License-Identifier: MIT
#include "cli/program.h"

#include <c10/util/Exception.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <exception>
#include <iostream>
#include <new>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "cli/usage.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace medaug::cli {
namespace {

constexpr const char* kFooter =
    "\nEvery verb takes --json, --quiet, --log-level and --set section.key=value.\n"
    "'medaug VERB --help' lists a verb's options, 'medaug help config' every config key.\n"
    "Generated images are for research and education only, never for diagnosis.";

void add_global_options(CLI::App& app, Globals& globals) {
  app.add_flag("--json", globals.json, "results as JSON on stdout");
  app.add_flag("-q,--quiet", globals.quiet, "errors and results only");
  app.add_option("--log-level", globals.log_level, "debug, info, warning, error or quiet")
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "quiet"}))
      ->capture_default_str();
  app.add_option("--set", globals.overrides, "write section.key=value over the config; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.set_version_flag(
      "--version", [] { return version_text(); }, "version, compiler, LibTorch, CPU");
}

LogLevel level_named(const std::string& name) {
  if (name == "debug") {
    return LogLevel::kDebug;
  }
  if (name == "warning") {
    return LogLevel::kWarning;
  }
  if (name == "error") {
    return LogLevel::kError;
  }
  return name == "quiet" ? LogLevel::kQuiet : LogLevel::kInfo;
}

void print_error(const Globals& globals, const Error& error) {
  std::cerr << error.what() << '\n';
  if (globals.json) {
    const Json json{{"error",
                     {{"code", name_of(error.code())},
                      {"where", error.where()},
                      {"message", error.message()},
                      {"hint", error.hint()}}}};
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  }
}

int parse_and_run(int argc, char** argv, Globals& globals) {
  const auto app = make_app(globals);
  try {
    app->parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app->exit(wanted);
  } catch (const CLI::ParseError& e) {
    throw usage_error(*app, e);
  }
  set_log_level(globals.quiet ? LogLevel::kError : level_named(globals.log_level));
  return globals.action();
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

std::unique_ptr<CLI::App> make_app(Globals& globals) {
  auto app = std::make_unique<CLI::App>(
      "Trains and samples a mask- and text-conditioned diffusion transformer for medical images.",
      "medaug");
  app->footer(kFooter);
  app->require_subcommand(1);
  app->fallthrough();
  add_global_options(*app, globals);
  add_check(*app, globals);
  add_train(*app, globals);
  add_generate(*app, globals);
  add_augment(*app, globals);
  add_phantom(*app, globals);
  add_smoke_test(*app, globals);
  add_rollback(*app, globals);
  add_help(*app, globals);
  add_completion(*app, globals);
  return app;
}

int run_program(int argc, char** argv) {
  Globals globals;
  try {
    return parse_and_run(argc, argv, globals);
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
