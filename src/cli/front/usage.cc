// SPDX-License-Identifier: MIT
#include "cli/front/usage.h"

#include <cmath>
#include <string>
#include <vector>

#include "base/strings.h"
#include "config/concat.h"

namespace medaug::cli {
namespace {

/// The innermost verb that was understood, and the words that lead to it.
struct Understood {
  const CLI::App* app = nullptr;
  std::string words = "medaug";
};

Understood understood_part(const CLI::App& app) {
  Understood found{&app};
  while (!found.app->get_subcommands().empty()) {
    found.app = found.app->get_subcommands().front();
    found.words += " " + found.app->get_name();
  }
  return found;
}

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* const verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
  }
  return names;
}

std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const auto* const option : app->get_options()) {
      for (const auto& name : option->get_lnames()) {
        names.push_back(concat({"--", name}));
      }
    }
  }
  return names;
}

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates) {
  const auto near = nearest(word, candidates);
  return near.empty() ? std::string() : concat({" (did you mean '", near, "'?)"});
}

}  // namespace

Error usage_error(const CLI::App& app, const CLI::ParseError& cause) {
  const auto found = understood_part(app);
  const auto verbs = verb_names(*found.app);
  auto hint = concat({"'", found.words, " --help' lists what is allowed"});
  const auto rest = app.remaining(true);
  if (rest.empty()) {
    const bool no_verb = !verbs.empty() && found.app->get_subcommands().empty();
    return {ErrorCode::kUsage, found.words, no_verb ? "a verb is missing" : printable(cause.what()),
            no_verb ? concat({"allowed: ", join(verbs, ", "), "\n  ", hint}) : hint};
  }
  const auto word = rest.front().substr(0, rest.front().find('='));
  if (word.starts_with("-")) {
    return {ErrorCode::kUsage, found.words,
            concat({"unknown option '", printable(word, 60), "'",
                    suggestion(word, option_names(found.app))}),
            hint};
  }
  if (verbs.empty()) {
    return {ErrorCode::kUsage, found.words, concat({"unexpected '", printable(word, 60), "'"}),
            hint};
  }
  return {ErrorCode::kUsage, found.words,
          concat({"unknown verb '", printable(word, 60), "'", suggestion(word, verbs)}),
          concat({"allowed: ", join(verbs, ", ")})};
}

CLI::Validator finite_range(double low, double high) {
  auto range = CLI::Range(low, high);
  const auto check = [range](std::string& text) -> std::string {
    double value = 0.0;
    if (CLI::detail::lexical_cast(text, value) && !std::isfinite(value)) {
      return text + " is not a finite number";
    }
    return range(text);
  };
  return CLI::Validator(check, range.get_description());
}

}  // namespace medaug::cli
