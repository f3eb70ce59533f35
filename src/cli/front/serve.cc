// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_serve(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "serve", "the page and the HTTP API on http://127.0.0.1:7860 (docs/API.md)");
  const auto options = std::make_shared<ServeCommand>();
  verb->add_option("--checkpoint", options->checkpoint,
                   "run folder, step folder or .safetensors file")
      ->type_name("PATH")
      ->required();
  verb->add_option("--port", options->port, "0 = any free one (7860)")->check(CLI::Range(0, 65535));
  auto* const host = verb->add_option("--host", options->host,
                                      "address to listen on; others than loopback want a token "
                                      "in MEDAUG_TOKEN (127.0.0.1)");
  host->type_name("IP");
  verb->add_flag("--lan,--share", options->lan,
                 "let others of this network in, with a token that is made and printed once; "
                 "nothing is relayed")
      ->excludes(host);
  verb->add_option("--allow-host", options->allow_hosts,
                   "a further name under which the server is reached, for example behind a proxy")
      ->type_name("NAME");
  verb->add_option("--segmenter", options->segmenter,
                   "of medaug segmenter train: each image's agreement with its mask is shown")
      ->type_name("FILE");
  auto* const training =
      verb->add_option("--training", options->training,
                       "manifest of the training images: the one that each image is most like is "
                       "shown; with --held-out");
  training->type_name("FILE");
  verb->add_option("--held-out", options->held_out,
                   "manifest of real images that the generator has not seen: they say how alike a "
                   "copy is")
      ->type_name("FILE")
      ->needs(training);
  training->needs("--held-out");
  verb->add_option("--runs", options->runs, "folder of run folders, for the training tab")
      ->type_name("DIR");
  verb->add_option("--root", options->root,
                   "folder with images and manifests, for the evaluation tab")
      ->type_name("DIR");
  verb->add_option("--history", options->history,
                   "folder where jobs and their images are kept (medaug-history)")
      ->type_name("DIR");
  verb->add_option("--history-mb", options->history_mb,
                   "the oldest jobs beyond that are deleted (2048)")
      ->check(CLI::Range(1, 100'000'000));
  verb->add_option("--history-days", options->history_days, "likewise, by age (30)")
      ->check(CLI::Range(1, 36500));
  verb->add_option("--queue", options->queue, "jobs that may wait (32)")
      ->check(CLI::Range(1, 10000));
  verb->add_option("--drain-seconds", options->drain_seconds,
                   "how long accepted jobs are waited for when the server is asked to stop (30)")
      ->check(CLI::Range(0, 3600));
  verb->add_option("--device", options->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  verb->add_option("--precision", options->precision)
      ->check(CLI::IsMember({"bfloat16", "float32"}))
      ->capture_default_str();
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
