// SPDX-License-Identifier: MIT
#include "models/generator.h"

#include <ATen/ops/zeros.h>

namespace medaug {

Conditions Conditions::narrow(std::int64_t begin, std::int64_t count) const {
  const auto part = [&](const at::Tensor& x) {
    return x.defined() ? x.narrow(0, begin, count) : x;
  };
  return {part(tokens), part(token_mask), part(mask), part(mask_present), part(augment)};
}

Generator::Generator(const GeneratorOptions& options, std::optional<std::uint64_t> seed,
                     at::Device device)
    : options_(options) {
  text_ = register_module("text", std::make_shared<TextEncoder>(
                                      options.text, options.vocabulary,
                                      seed ? std::optional(*seed + 1) : std::nullopt, device));
  dit_ = register_module("dit", std::make_shared<NextDiT>(options.dit, seed, device));
}

at::Tensor Generator::encode_text(const Conditions& conditions) const {
  return text_->forward(conditions.tokens, conditions.token_mask);
}

at::Tensor Generator::predict(const at::Tensor& z, const at::Tensor& time, const EncodedText& text,
                              const Conditions& conditions, const NextDiTCall& call) const {
  NextDiTInput in;
  in.x = z;
  in.time = time;
  in.caption = text.features;
  in.caption_heads = text.heads;
  in.caption_mask = conditions.token_mask;
  in.mask = conditions.mask;
  in.mask_present = conditions.mask_present;
  in.augment = conditions.augment;
  if (!in.augment.defined() && options_.dit.augment_features > 0) {
    // Training always gave the vector; leaving the layer out would leave out its bias too.
    in.augment =
        at::zeros({z.size(0), options_.dit.augment_features}, z.options().dtype(at::kFloat));
  }
  return dit_->forward(in, call);
}

}  // namespace medaug
