// SPDX-License-Identifier: MIT
#include <iostream>
#include <string>
#include <vector>

#include "cli/front/command_line.h"
#include "cli/run.h"
#include "config/concat.h"
#include "training/run_config.h"

namespace medaug::cli {
namespace {

/// The words that may follow "medaug", or "medaug VERB".
struct Choices {
  std::string verb;  ///< empty = after "medaug"
  std::string words;
};

std::string words_of(CLI::App& app) {
  std::string words;
  for (auto* const verb : app.get_subcommands([](CLI::App*) { return true; })) {
    words += concat({verb->get_name(), " "});
  }
  for (const auto* const option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      words += concat({"--", name, " "});
    }
  }
  return words;
}

std::vector<Choices> all_choices() {
  Globals unused;
  const auto app = make_app(unused);
  std::vector<Choices> choices{{"", words_of(*app)}};
  for (auto* const verb : app->get_subcommands([](CLI::App*) { return true; })) {
    auto words = words_of(*verb);
    for (auto* const topic : verb->get_subcommands([](CLI::App*) { return true; })) {
      words += words_of(*topic);
    }
    choices.push_back({verb->get_name(), words + "--json --quiet --log-level --set"});
  }
  return choices;
}

std::string key_words() {
  std::string words;
  for (const auto& field : run_config_fields()) {
    words += concat({field.key(), "= "});
  }
  return words;
}

std::string bash_script() {
  std::string cases;
  for (const auto& [verb, words] : all_choices()) {
    cases += concat({"    ", verb.empty() ? "*" : verb, ") words=\"", words, "\" ;;\n"});
    if (verb.empty()) {
      cases.clear();
    }
  }
  return concat(
      {"# medaug completion for bash: source <(medaug completion bash)\n_medaug() {\n"
       "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" "
       "words\n"
       "  if [[ \"$previous\" == --set ]]; then\n    compopt -o nospace\n    words=\"",
       key_words(),
       "\"\n  else\n"
       "  case \"${COMP_WORDS[1]}\" in\n",
       cases, "    *) words=\"", all_choices().front().words,
       "\" ;;\n  esac\n  fi\n"
       "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
       "  [[ \"$current\" == -* ]] || COMPREPLY+=($(compgen -f -- \"$current\"))\n}\ncomplete -o "
       "filenames -F _medaug medaug\n"});
}

std::string zsh_script() {
  return concat(
      {"# medaug completion for zsh: source <(medaug completion zsh)\n"
       "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n",
       bash_script()});
}

std::string fish_script() {
  std::string out = "# medaug completion for fish: medaug completion fish | source\n";
  for (const auto& [verb, words] : all_choices()) {
    const auto condition = verb.empty() ? std::string("__fish_use_subcommand")
                                        : concat({"__fish_seen_subcommand_from ", verb});
    out += concat({"complete -c medaug -n '", condition, "' -a '", words, "'\n"});
  }
  return out;
}

}  // namespace

int run(const Globals&, const CompletionCommand& options) {
  std::cout << (options.shell == "bash"  ? bash_script()
                : options.shell == "zsh" ? zsh_script()
                                         : fish_script())
            << std::flush;
  return 0;
}

}  // namespace medaug::cli
