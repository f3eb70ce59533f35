// SPDX-License-Identifier: MIT
#include "cli/front/command_line.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>

#include "base/fields.h"
#include "base/log.h"
#include "cli/front/usage.h"
#include "cli/front/verbs.h"

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
  app.add_flag_callback(
      "--version", [] { throw CLI::CallForVersion(); }, "version, compiler, LibTorch, CPU");
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

}  // namespace

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
  add_lora(*app, globals);
  add_segmenter(*app, globals);
  add_evaluate(*app, globals);
  add_classify(*app, globals);
  add_experiment(*app, globals);
  add_phantom(*app, globals);
  add_serve(*app, globals);
  add_smoke_test(*app, globals);
  add_convert(*app, globals);
  add_rollback(*app, globals);
  add_help(*app, globals);
  add_completion(*app, globals);
  return app;
}

Parsed parse_command_line(int argc, char** argv, Globals& globals, int& status) {
  const auto app = make_app(globals);
  try {
    app->parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    return Parsed::kVersion;
  } catch (const CLI::Success& wanted) {  // --help
    status = app->exit(wanted);
    return Parsed::kDone;
  } catch (const CLI::ParseError& e) {
    const auto error = usage_error(*app, e);
    print_error(globals, error);
    status = exit_status(error.code());
    return Parsed::kDone;
  }
  set_log_level(globals.quiet ? LogLevel::kError : level_named(globals.log_level));
  return Parsed::kCommand;
}

}  // namespace medaug::cli
