// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "cli/front/command_line.h"
#include "cli/run.h"
#include "config/concat.h"
#include "config/writer.h"
#include "training/run_config.h"

namespace medaug::cli {
namespace {

constexpr const char* kConfigIntro =
    "# Config reference\n\n"
    "Printed by `medaug help config --markdown`; a test compares this page with the program.\n\n"
    "A config is YAML with two levels: sections and keys. Unknown and repeated keys are errors "
    "with file, line and\n"
    "column. `--set section.key=value` writes over any key; the last of two wins. Anchors, aliases "
    "and tags are not\n"
    "read, `${VARIABLES}` are not filled in, and only `true` and `false` are booleans (`no` is "
    "text, `010` is ten).\n\n"
    "Relative paths are looked up from the working directory first, then from the config's folder. "
    "A config holds\n"
    "relative paths only, unless `data.allow_outside` is true; paths given with `--set` may be "
    "absolute.\n";

constexpr const char* kErrorsIntro =
    "# Errors and exit codes\n\n"
    "Printed by `medaug help errors`; a test compares this page with the program.\n\n"
    "Every error says where, what was found, and on the next line what is allowed or what to "
    "do:\n\n"
    "    configs/train.yaml:14:3: unknown key 'learning_rat' in 'training' (did you mean "
    "'learning_rate'?)\n"
    "      allowed: accumulation, amp_dtype, batch_size, ...\n\n"
    "With `--json` the same stands on stdout as `{\"error\": {\"code\", \"where\", \"message\", "
    "\"hint\"}}`.\n\n"
    "| code | exit status | HTTP | meaning |\n|---|---|---|---|\n";

struct ErrorRow {
  ErrorCode code;
  const char* meaning;
};

constexpr ErrorRow kErrorRows[] = {
    {ErrorCode::kInternal, "a fault of medaug; please report it"},
    {ErrorCode::kUsage, "wrong command line"},
    {ErrorCode::kInvalidArgument, "wrong argument of a library call"},
    {ErrorCode::kConfig, "wrong config or `--set`"},
    {ErrorCode::kData, "manifest, image, mask or caption"},
    {ErrorCode::kCheckpoint, "checkpoint missing, damaged or of another kind"},
    {ErrorCode::kResource, "disk, memory, lock or device"},
    {ErrorCode::kNumeric, "a loss or gradient that is not finite"},
    {ErrorCode::kQualityGate, "a required figure was not reached"},
    {ErrorCode::kStopped,
     "stopped by request; what is finished is kept: train and augment go on with --resume, "
     "generate "
     "begins anew in another folder"},
};

std::string errors_markdown() {
  std::string out = kErrorsIntro;
  for (const auto& row : kErrorRows) {
    out += concat({"| `", name_of(row.code), "` | ", std::to_string(exit_status(row.code)), " | ",
                   std::to_string(http_status(row.code)), " | ", row.meaning, " |\n"});
  }
  out +=
      "\nExit status 0 is success; 130 and 143 mean that SIGINT or SIGTERM came before there was "
      "anything to save.\n";
  return out;
}

void append_verb_help(CLI::App& verb, const std::string& parents, std::string& out) {
  const auto words = concat({parents, " ", verb.get_name()});
  out += concat({"\n## ", words, "\n\n```\n", verb.help(parents), "```\n"});
  for (auto* const topic : verb.get_subcommands([](CLI::App*) { return true; })) {
    append_verb_help(*topic, words, out);
  }
}

std::string cli_markdown() {
  Globals unused;
  const auto app = make_app(unused);
  std::string out =
      "# Command line\n\nPrinted by `medaug help cli`; a test compares this page with the "
      "program.\n\n```\n";
  out += concat({app->help(), "```\n"});
  for (auto* const verb : app->get_subcommands([](CLI::App*) { return true; })) {
    append_verb_help(*verb, "medaug", out);
  }
  return out;
}

std::string canonical(const std::string& key) {
  for (const auto& alias : run_config_aliases()) {
    if (alias.from == key) {
      return alias.to;
    }
  }
  return key;
}

/// The fields that "section" or "section.key" or a bare "key" means.
std::vector<FieldInfo> matching_fields(const std::string& key) {
  std::vector<FieldInfo> found;
  const auto wanted = canonical(key);
  for (auto& field : run_config_fields()) {
    if (field.key() == wanted || field.section == wanted || field.name == wanted) {
      found.push_back(std::move(field));
    }
  }
  return found;
}

std::string key_help(const std::string& key) {
  const auto found = matching_fields(key);
  if (found.empty()) {
    std::vector<std::string> names;
    for (const auto& field : run_config_fields()) {
      names.push_back(field.key());
      names.push_back(field.name);
    }
    const auto near = nearest(key, names);
    throw Error(ErrorCode::kUsage, "help config",
                concat({"no key '", printable(key, 60), "'", near.empty() ? "" : " (did you mean '",
                        near, near.empty() ? "" : "'?)"}),
                "'medaug help config' lists all of them");
  }
  std::string out;
  for (const auto& field : found) {
    out += config_help(field, run_config_aliases());
  }
  return out;
}

std::string config_list() {
  std::string out;
  for (const auto& field : run_config_fields()) {
    auto line = field.key();
    line.resize(std::max<std::size_t>(line.size() + 2, 36), ' ');
    out += concat({line, field.help, " (", field.value.dump(), ")\n"});
  }
  return out;
}

int help_config(const Globals& globals, const HelpCommand& options) {
  const auto fields = run_config_fields();
  const auto& aliases = run_config_aliases();
  Result result;
  if (options.schema || globals.json) {
    result.json = config_schema(fields, aliases);
    result.text = result.json.dump(2);
  } else if (options.markdown) {
    result.text = concat({kConfigIntro, config_markdown(fields, aliases)});
  } else if (!options.key.empty()) {
    result.text = key_help(options.key);
  } else {
    result.text = config_list();
    result.next = "medaug help config training.batch_size";
  }
  print_result(globals, result);
  return 0;
}

}  // namespace

int run(const Globals& globals, const HelpCommand& options) {
  if (options.topic == "config") {
    return help_config(globals, options);
  }
  const auto text = options.topic == "cli" ? cli_markdown() : errors_markdown();
  print_result(globals, {text, Json{{"markdown", text}}, ""});
  return 0;
}

}  // namespace medaug::cli
