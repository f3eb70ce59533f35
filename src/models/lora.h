// SPDX-License-Identifier: MIT
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "models/options.h"

// Low-rank fine-tuning (LoRA; Hu et al., arXiv 2106.09685): the weights of a trained network stand
// still, beside its matrices stand products B A of low rank that are learned.

namespace medaug {

struct LoraOptions {
  std::int64_t rank = 0;  ///< 0 = off
  double alpha = 0.0;     ///< the term is multiplied by alpha / rank; 0 = rank
  double dropout = 0.0;   ///< share of the adapters' inputs that a batch leaves out
  std::vector<std::string> targets{"attention", "feed_forward"};
  bool train_ends = true;

  double scale() const { return alpha > 0.0 ? alpha / static_cast<double>(rank) : 1.0; }
};

template <class Visitor>
void describe(Visitor& visit, LoraOptions& o) {
  visit(Field{.name = "rank",
              .help = "rank of the adapters that are trained in place of the weights of "
                      "training.init_from; 0 = off, all weights are trained",
              .min = 0,
              .max = 1024},
        o.rank);
  visit(Field{.name = "alpha",
              .help = "adapters act with alpha / rank; 0 = rank",
              .min = 0,
              .max = 1e4},
        o.alpha);
  visit(Field{.name = "dropout",
              .help = "share of the inputs of each adapter that a batch leaves out",
              .min = 0,
              .max = 0.95},
        o.dropout);
  visit(
      Field{.name = "targets",
            .help = "layers of the blocks that get an adapter: attention, feed_forward, or single "
                    "ones: wq, wk, wv, wo, wk_y, wv_y, w1, w2, w3"},
      o.targets);
  visit(Field{.name = "train_ends",
              .help = "train what lets masks and the augment vector in as a whole, beside the "
                      "adapters"},
        o.train_ends);
}

/// The layers that targets stand for, "attention.wq" and so on, each once, in a fixed order.
/// @throws Error kConfig at `where` for an unknown target, or none
std::vector<std::string> lora_layers(const std::vector<std::string>& targets,
                                     std::string_view where);

/// Gives the targets inside the blocks of a network their adapters and lets only them, and with
/// `train_ends` the layers that masks and the augment vector enter by, require gradients. The
/// output is what it was.
void add_lora(torch::nn::Module& model, const LoraOptions& options, std::uint64_t seed);

/// Draws which inputs the adapters leave out of the next batches; the others are raised by
/// 1 / (1 - dropout). Without a rate, or when `dropout` is 0, all take part.
/// @param draw  keys the choice, beside the seed and the place of the adapter
void drop_adapter_inputs(torch::nn::Module& model, double dropout, std::uint64_t seed,
                         std::uint64_t draw);

/// Whether a parameter is of a layer that masks or the augment vector enter by: a network that was
/// trained without them may lack it, and is the same when it is zero.
bool is_new_end(std::string_view parameter);

/// `options` without what a fine-tune may have of its own: the preset's name, the first value of
/// the gates, and such layers where the base has none. Equal to the base's options when the two
/// networks go together.
NextDiTOptions without_new_ends(NextDiTOptions options, const NextDiTOptions& base);

/// Whether a parameter belongs to an adapter.
bool is_adapter(std::string_view parameter);

}  // namespace medaug
