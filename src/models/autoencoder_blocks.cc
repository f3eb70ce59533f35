// SPDX-License-Identifier: MIT
#include "models/autoencoder_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <utility>

namespace medaug::autoencoder {
namespace {

using nn::Activation;
using nn::Storage;

constexpr double kNormEps = 1e-6;
constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

std::shared_ptr<Convolution> convolution(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                         nn::Initializer& init, std::int64_t stride = 1) {
  // TensorFlow's padding of a stride of 2 is the reference's: one pixel right and below.
  const auto padding = stride == 1 ? Padding::kHalf : Padding::kSame;
  return std::make_shared<Convolution>(ConvolutionOptions{.in = in,
                                                          .out = out,
                                                          .kernel = kernel,
                                                          .stride = stride,
                                                          .bias = true,
                                                          .padding = padding},
                                       init);
}

void show(const Observer& observe, const std::string& name, const Tensor& value) {
  if (observe) {
    observe(name, value.clone());  // the next stage may write over it
  }
}

/// The two taps through which places of one parity see a side of the small image.
Tensor taps(const Tensor& kernel, std::int64_t dim, std::int64_t parity) {
  const auto tap = [&](std::int64_t i) { return kernel.narrow(dim, i, 1); };
  return parity == 0 ? at::cat({tap(0), tap(1) + tap(2)}, dim)
                     : at::cat({tap(0) + tap(1), tap(2)}, dim);
}

}  // namespace

Tensor Norm::forward(const Tensor& x, Activation activation, Storage storage) const {
  return nn::group_norm(x, weight, bias,
                        {.groups = groups_, .eps = kNormEps, .activation = activation}, storage);
}

Resnet::Resnet(std::int64_t in, std::int64_t out, std::int64_t groups, nn::Initializer& init) {
  norm1_ = register_module("norm1", std::make_shared<Norm>(in, groups, init));
  conv1_ = register_module("conv1", convolution(in, out, 3, init));
  norm2_ = register_module("norm2", std::make_shared<Norm>(out, groups, init));
  conv2_ = register_module("conv2", convolution(out, out, 3, init));
  if (in != out) {
    shortcut_ = register_module("conv_shortcut", convolution(in, out, 1, init));
  }
}

Tensor Resnet::forward(Tensor x) const {
  const auto beside = shortcut_ ? shortcut_->forward(x) : x;
  auto h = norm1_->forward(x, Activation::kSilu, shortcut_ ? Storage::kReuse : Storage::kNew);
  x.reset();
  h = conv1_->forward(h);
  h = norm2_->forward(h, Activation::kSilu, Storage::kReuse);
  h = conv2_->forward(h);
  return h.add_(beside);  // (N, out, H, W)
}

MidAttention::MidAttention(std::int64_t width, std::int64_t groups, nn::Initializer& init) {
  const auto linear = [&] {
    return std::make_shared<nn::Linear>(width, width, true, nn::Init::kXavier, init);
  };
  group_norm_ = register_module("group_norm", std::make_shared<Norm>(width, groups, init));
  to_q_ = register_module("to_q", linear());
  to_k_ = register_module("to_k", linear());
  to_v_ = register_module("to_v", linear());
  to_out_ = register_module("to_out", std::make_shared<nn::Indexed>())->add(0, linear());
}

Tensor MidAttention::forward(const Tensor& x) const {
  const auto normed = group_norm_->forward(x, Activation::kNone, Storage::kNew);
  const auto tokens = normed.permute({0, 2, 3, 1}).flatten(1, 2);  // (N, H W, C)
  const auto head = [&](const nn::Linear& linear) {
    return linear.forward(tokens).unsqueeze(1);  // (N, 1, H W, C)
  };
  const auto seen = at::scaled_dot_product_attention(head(*to_q_), head(*to_k_), head(*to_v_))
                        .squeeze(1);  // (N, H W, C)
  auto y = to_out_->forward(seen).unflatten(1, {x.size(2), x.size(3)}).permute({0, 3, 1, 2});
  return y.add_(x);  // (N, C, H, W)
}

Mid::Mid(std::int64_t width, const AutoencoderOptions& o, nn::Initializer& init) {
  const auto resnet = [&] {
    return std::make_shared<Resnet>(width, width, o.norm_num_groups, init);
  };
  const auto resnets = register_module("resnets", std::make_shared<nn::Indexed>());
  before_ = resnets->add(0, resnet());
  after_ = resnets->add(1, resnet());
  if (o.mid_block_add_attention) {
    attention_ = register_module("attentions", std::make_shared<nn::Indexed>())
                     ->add(0, std::make_shared<MidAttention>(width, o.norm_num_groups, init));
  }
}

Tensor Mid::forward(Tensor x) const {
  x = before_->forward(std::move(x));
  if (attention_) {
    x = attention_->forward(x);
  }
  return after_->forward(std::move(x));
}

Tensor upsample_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const auto rows = x.size(2), columns = x.size(3);
  const auto kernel = nn::wide(weight);  // sums of taps are rounded once
  auto y = at::empty({x.size(0), weight.size(0), 2 * rows, 2 * columns},
                     x.options().memory_format(kChannelsLast));
  for (const std::int64_t down : {0, 1}) {
    for (const std::int64_t right : {0, 1}) {
      const auto part = taps(taps(kernel, 2, down), 3, right).to(x.scalar_type());
      // With one place of padding all around, output i sees the places i - 1 and i.
      const auto all = at::convolution(x, part, bias, {1, 1}, {1, 1}, {1, 1}, false, {0, 0}, 1);
      y.slice(2, down, std::nullopt, 2)
          .slice(3, right, std::nullopt, 2)
          .copy_(all.narrow(2, down, rows).narrow(3, right, columns));
    }
  }
  return y;  // (N, out, 2 H, 2 W)
}

Level::Level(const Shape& shape, std::int64_t groups, nn::Initializer& init)
    : resample_(shape.resample) {
  const auto resnets = register_module("resnets", std::make_shared<nn::Indexed>());
  for (std::int64_t i = 0; i < shape.resnets; ++i) {
    const auto in = i == 0 ? shape.in : shape.out;
    resnets_.push_back(resnets->add(i, std::make_shared<Resnet>(in, shape.out, groups, init)));
  }
  if (resample_ != Resample::kNone) {
    const bool down = resample_ == Resample::kDown;
    const auto sampler =
        register_module(down ? "downsamplers" : "upsamplers", std::make_shared<nn::Indexed>())
            ->add(0, std::make_shared<nn::Indexed>());
    resampler_ =
        sampler->register_module("conv", convolution(shape.out, shape.out, 3, init, down ? 2 : 1));
  }
}

Tensor Level::forward(Tensor x) const {
  for (const auto& resnet : resnets_) {
    x = resnet->forward(std::move(x));
  }
  switch (resample_) {
    case Resample::kDown:
      return resampler_->forward(x);  // (N, C, H / 2, W / 2)
    case Resample::kUp:
      return upsample_convolution(x, resampler_->weight, resampler_->bias);  // (N, C, 2 H, 2 W)
    case Resample::kNone:
      break;
  }
  return x;
}

Encoder::Encoder(const AutoencoderOptions& o, nn::Initializer& init) {
  const auto& widths = o.block_out_channels;
  conv_in_ = register_module("conv_in", convolution(o.in_channels, widths.front(), 3, init));
  const auto list = register_module("down_blocks", std::make_shared<nn::Indexed>());
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const Level::Shape shape{
        .in = widths[i == 0 ? 0 : i - 1],
        .out = widths[i],
        .resnets = o.layers_per_block,
        .resample = i + 1 < widths.size() ? Resample::kDown : Resample::kNone,
    };
    levels_.push_back(list->add(static_cast<std::int64_t>(i),
                                std::make_shared<Level>(shape, o.norm_num_groups, init)));
  }
  mid_ = register_module("mid_block", std::make_shared<Mid>(widths.back(), o, init));
  norm_out_ = register_module("conv_norm_out",
                              std::make_shared<Norm>(widths.back(), o.norm_num_groups, init));
  conv_out_ =
      register_module("conv_out", convolution(widths.back(), 2 * o.latent_channels, 3, init));
}

Tensor Encoder::forward(const Tensor& images, const Observer& observe) const {
  auto x = conv_in_->forward(images.contiguous(kChannelsLast));  // (N, widths[0], H, W)
  show(observe, "enc.conv_in", x);
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    x = levels_[i]->forward(std::move(x));
    show(observe, "enc.down" + std::to_string(i), x);
  }
  x = mid_->forward(std::move(x));
  show(observe, "enc.mid", x);
  x = conv_out_->forward(norm_out_->forward(x, Activation::kSilu, Storage::kReuse));
  show(observe, "enc.conv_out", x);
  return x;
}

Decoder::Decoder(const AutoencoderOptions& o, nn::Initializer& init) {
  const std::vector<std::int64_t> widths(o.block_out_channels.rbegin(),
                                         o.block_out_channels.rend());
  conv_in_ = register_module("conv_in", convolution(o.latent_channels, widths.front(), 3, init));
  mid_ = register_module("mid_block", std::make_shared<Mid>(widths.front(), o, init));
  const auto list = register_module("up_blocks", std::make_shared<nn::Indexed>());
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const Level::Shape shape{
        .in = widths[i == 0 ? 0 : i - 1],
        .out = widths[i],
        .resnets = o.layers_per_block + 1,
        .resample = i + 1 < widths.size() ? Resample::kUp : Resample::kNone,
    };
    levels_.push_back(list->add(static_cast<std::int64_t>(i),
                                std::make_shared<Level>(shape, o.norm_num_groups, init)));
  }
  norm_out_ = register_module("conv_norm_out",
                              std::make_shared<Norm>(widths.back(), o.norm_num_groups, init));
  conv_out_ = register_module("conv_out", convolution(widths.back(), o.out_channels, 3, init));
}

Tensor Decoder::forward(const Tensor& latents, const Observer& observe) const {
  auto x = conv_in_->forward(latents.contiguous(kChannelsLast));  // (N, widths.back(), h, w)
  show(observe, "dec.conv_in", x);
  x = mid_->forward(std::move(x));
  show(observe, "dec.mid", x);
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    x = levels_[i]->forward(std::move(x));
    show(observe, "dec.up" + std::to_string(i), x);
  }
  return conv_out_->forward(norm_out_->forward(x, Activation::kSilu, Storage::kReuse));
}

}  // namespace medaug::autoencoder
