// SPDX-License-Identifier: MIT
#include <memory>

#include "cli/front/commands.h"
#include "cli/front/verbs.h"

namespace medaug::cli {

void add_convert(CLI::App& app, Globals& globals) {
  auto* const verb = app.add_subcommand(
      "convert", "import and export weights of Lumina-Next, RetinaLogos and diffusers");
  const auto options = std::make_shared<ConvertCommand>();
  verb->add_option("source", options->source, "folder or file of the weights")
      ->required()
      ->type_name("SOURCE");
  verb->add_option("--to", options->to, "form to write: medaug, lumina or diffusers")
      ->required()
      ->check(CLI::IsMember({"medaug", "lumina", "diffusers"}));
  verb->add_option("--output", options->output, "folder to write into")
      ->required()
      ->type_name("DIR");
  verb->add_option("--dtype", options->dtype, "dtype to write; keep = as it is stored")
      ->check(CLI::IsMember({"keep", "f32", "bf16"}))
      ->capture_default_str();
  auto* const ema = verb->add_flag("--ema", options->ema, "the EMA weights, or an error");
  verb->add_flag("--no-ema", options->no_ema,
                 "the weights as trained; default: EMA if there is one")
      ->excludes(ema);
  verb->add_option("--mask-classes", options->mask_classes,
                   "mask classes to add, with weights of zero (--to medaug)")
      ->check(CLI::Range(0, 254))
      ->type_name("K");
  verb->add_flag("--drop-mask", options->drop_mask, "leave trained mask planes out");
  verb->add_option("--heads", options->heads, "attention heads, where the tensors do not tell")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  verb->add_option("--patch-size", options->patch_size, "side of a patch in latents (2)")
      ->check(CLI::Range(1, 128))
      ->type_name("N");
  verb->add_option("--norm-eps", options->norm_eps, "epsilon of the RMS norms (1e-5)")
      ->check(CLI::Range(1e-12, 1e-2))
      ->type_name("EPS");
  verb->add_option("--vae", options->vae,
                   "folder of the autoencoder; with --text-encoder the result is a whole model")
      ->type_name("DIR");
  verb->add_option("--text-encoder", options->text_encoder,
                   "folder of Gemma and its tokenizer.model")
      ->type_name("DIR");
  verb->add_option("--image-size", options->image_size,
                   "pixels that the weights were trained at (1024; RetinaLogos: 512)")
      ->check(CLI::Range(8, 8192))
      ->type_name("PIXELS");
  verb->add_flag("--force", options->force, "write over files that are there");
  when_parsed(*verb, globals, options);
}

}  // namespace medaug::cli
