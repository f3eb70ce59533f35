// SPDX-License-Identifier: MIT
#include "cli/front/sampling_flags.h"

#include "cli/front/usage.h"
#include "flow/sampler.h"
#include "training/options.h"

namespace medaug::cli {

void add_sampling_options(CLI::App& verb, SamplingFlags& flags) {
  verb.add_option("--checkpoint", flags.checkpoint,
                  "run folder, step folder or .safetensors file; may stand in the config")
      ->type_name("PATH");
  verb.add_option("--lora", flags.adapters,
                  "adapter to lay over the checkpoint, with its strength (1); repeatable")
      ->type_name("FILE[:SCALE]")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_option("--output", flags.output, "new folder for what is made")->type_name("DIR");
  verb.add_option("--seed", flags.seed, "of the first image; the next ones count up (42)")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--steps", flags.steps, "solver steps")->check(CLI::Range(1, 10000));
  verb.add_option("--guidance", flags.guidance, "guidance scale of the caption; 1 = off")
      ->check(finite_range(0.0, 100.0));
  verb.add_option("--mask-guidance", flags.mask_guidance, "guidance scale of the mask; 1 = off")
      ->check(finite_range(0.0, 100.0));
  verb.add_option("--solver", flags.solver, "ODE solver")
      ->check(CLI::IsMember(enum_choices<Solver>()));
  verb.add_option("--size", flags.size, "side, or height x width as 48x64; default as trained")
      ->type_name("HxW");
  verb.add_option("--negative", flags.negative, "caption that guidance leads away from");
  verb.add_option(
          "--preset", flags.preset,
          "original = euler, 50 steps, guidance 7.5; lumina and retinalogos as those projects")
      ->check(CLI::IsMember(enum_choices<SamplingPreset>()));
  verb.add_option("--config", flags.config,
                  "config with the sections inference, sampling, guidance")
      ->type_name("FILE");
  verb.add_option("--device", flags.device, "auto, cpu or cuda")
      ->check(CLI::IsMember(enum_choices<DeviceChoice>()));
  verb.add_option("--precision", flags.precision, "of the network's products")
      ->check(CLI::IsMember({"bfloat16", "float32"}))
      ->capture_default_str();
  verb.add_option("--root", flags.root, "what the manifest's relative paths start from")
      ->type_name("DIR");
  verb.add_flag("--allow-outside", flags.allow_outside, "allow the manifest's paths to leave root");
}

}  // namespace medaug::cli
