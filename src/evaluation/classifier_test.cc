// SPDX-License-Identifier: MIT
#include "evaluation/classifier.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "evaluation/test_images.h"
#include "image/test_files.h"
#include "models/conv_layers.h"

namespace medaug {
namespace {

using ::testing::HasSubstr;
using testing::test_images;
using testing::test_options;
using testing::test_task;

TEST(Classifier, LearnsWhatIsPlainToSee) {
  const auto classifier = train_classifier(test_task(), test_options());
  const auto unseen = test_images(40, 3);
  const auto probabilities = classifier.probabilities(*unseen.data);
  EXPECT_EQ(probabilities.sizes(), at::IntArrayRef({40, 2}));
  EXPECT_TRUE(at::allclose(probabilities.sum(1), at::ones({40})));
  EXPECT_DOUBLE_EQ(scores_of(probabilities, unseen.classes).accuracy, 1.0);
  EXPECT_DOUBLE_EQ(classifier.info().training.at("val_acc").get<double>(), 1.0);
}

TEST(Classifier, TheSameSeedGivesTheSameOneAnotherSeedAnother) {
  auto options = test_options();
  options.steps = 3;
  const auto answers = [&] {
    return train_classifier(test_task(), options).probabilities(*test_images(8, 3).data);
  };
  const auto first = answers();
  EXPECT_TRUE(answers().equal(first));
  options.seed = 1;
  EXPECT_FALSE(answers().equal(first));
}

TEST(Classifier, TheNumberOfThreadsDecidesNothing) {
  auto options = test_options();
  options.steps = 3;
  const auto answers = [&](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    auto out = train_classifier(test_task(), options).probabilities(*test_images(8, 3).data);
    at::set_num_threads(before);
    return out;
  };
  EXPECT_TRUE(at::allclose(answers(1), answers(2), 0.0, 1e-5));
}

TEST(Classifier, KeepsTheBestLookAndTellsAllOfThem) {
  const auto task = test_task();
  const auto classifier = train_classifier(task, test_options());
  const auto& training = classifier.info().training;
  ASSERT_EQ(training.at("history").size(), 4U);
  double best = -1.0;
  for (const auto& look : training.at("history")) {
    best = std::max(best, look.at("val_balanced_acc").get<double>());
  }
  const auto kept = training.at("best_epoch").get<std::size_t>() - 1;
  EXPECT_DOUBLE_EQ(training.at("history").at(kept).at("val_balanced_acc").get<double>(), best);
  EXPECT_EQ(training.at("best_step"), training.at("history").at(kept).at("step"));
  EXPECT_EQ(training.at("best_step"), 4 * (kept + 1));
  const auto scores = scores_of(classifier.probabilities(*task.val.data), task.val.classes);
  EXPECT_DOUBLE_EQ(scores.balanced_accuracy, best);
}

TEST(Classifier, StopsWhenAskedTo) {
  std::int64_t steps = 0;
  const auto classifier =
      train_classifier(test_task(), test_options(), [&](const ClassifierProgress& p) {
        steps = p.step;
        return p.step < 2;
      });
  EXPECT_EQ(steps, 2);
  EXPECT_EQ(classifier.info().training.at("history").size(), 1U);
}

TEST(Classifier, ALoadedOneAnswersAsTheSavedOne) {
  const testing::TempFolder folder;
  auto options = test_options();
  options.steps = 2;
  const auto classifier = train_classifier(test_task(), options);
  const auto file = folder.path() / "c.safetensors";
  classifier.save(file);
  const auto loaded = Classifier::load(file);
  const auto images =
      at::stack({test_images(2, 3).data->image(0), test_images(2, 3).data->image(1)});
  EXPECT_TRUE(loaded.probabilities(images).equal(classifier.probabilities(images)));
  EXPECT_TRUE(loaded.features(images).equal(classifier.features(images)));
  EXPECT_EQ(loaded.info().classes, classifier.info().classes);
  EXPECT_EQ(loaded.info().preprocess.image_size, testing::kTestSide);
  EXPECT_EQ(loaded.info().training, classifier.info().training);
  EXPECT_EQ(loaded.hash().size(), 64U);
  EXPECT_EQ(read_safetensors(file).metadata.at("format"), "medaug-classifier-1");
}

TEST(Classifier, RefusesAFileThatIsNone) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "other.safetensors";
  write_safetensors(file, {{"x", at::ones({2})}}, {{"format", "medaug-segmenter-1"}});
  try {
    Classifier::load(file);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCheckpoint);
    EXPECT_THAT(e.what(), HasSubstr("is no classifier of medaug"));
  }
}

TEST(Classifier, ALossThatIsNotFiniteIsAnError) {
  auto task = test_task();
  auto data = std::make_shared<testing::TestImages>(48, 1);
  for (std::int64_t i = 0; i < 48; ++i) {
    data->set_image(i, at::full({1, 16, 16}, std::numeric_limits<float>::quiet_NaN()));
  }
  task.train = testing::labelled(data);
  try {
    train_classifier(task, test_options());
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kNumeric);
    EXPECT_THAT(e.what(), HasSubstr("step 0"));
  }
}

TEST(Classifier, StepsAreThoseOfTheEpochsOrTheirOwn) {
  ClassifierOptions options;
  options.epochs = 3;
  options.batch_size = 32;
  EXPECT_EQ(classifier_steps(options, 33), 6);
  EXPECT_EQ(classifier_steps(options, 32), 3);
  options.steps = 50;
  EXPECT_EQ(classifier_steps(options, 33), 50);
}

TEST(Classifier, SmallImagesAreEnlargedForPretrainedNetworks) {
  ClassifierOptions options;
  EXPECT_EQ(classifier_side(options, 32), 64);
  EXPECT_EQ(classifier_side(options, 64), 128);
  EXPECT_EQ(classifier_side(options, 128), 128);
  EXPECT_EQ(classifier_side(options, 500), 224);
  options.input_side = 96;
  EXPECT_EQ(classifier_side(options, 64), 96);
  options.network = ClassifierNetwork::kSmall;
  EXPECT_EQ(classifier_side(options, 64), 64);
}

TEST(Classifier, WeightsAreForNetworksThatHaveThem) {
  ClassifierOptions options;
  options.weights = "w.safetensors";
  EXPECT_EQ(first_weights(options).value(), "w.safetensors");
  options.from_scratch = true;
  EXPECT_THROW(first_weights(options), Error);
  options.from_scratch = false;
  options.network = ClassifierNetwork::kSmall;
  EXPECT_THROW(first_weights(options), Error);
  options.weights.clear();
  EXPECT_FALSE(first_weights(options));
}

TEST(Pretrained, WeightsFillAllButTheLastLayer) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "w.safetensors";
  ClassifierLayout layout{ClassifierNetwork::kEfficientNetLite0, 3, 64, 1000};
  const auto trained = make_network(layout, 1);
  NamedTensors tensors;
  for (const auto& [name, tensor] : all_tensors(*trained)) {
    tensors.emplace_back(name, tensor.detach());
  }
  write_safetensors(file, tensors);
  layout.classes = 3;
  const auto network = make_network(layout, 2);
  const auto last = network->named_parameters()["_fc.weight"].clone();
  load_pretrained(*network, file);
  network->eval();
  trained->eval();
  const auto x = network->prepare(test_images(2, 3).data->image(0).unsqueeze(0), 64);
  EXPECT_TRUE(network->features(x).equal(trained->features(x)));
  EXPECT_TRUE(network->named_parameters()["_fc.weight"].equal(last));
  EXPECT_EQ(network->classify(network->features(x)).size(1), 3);
}

ClassifierLayout small_layout() { return {ClassifierNetwork::kSmall, 1, 16, 3}; }

/// n images of small_layout() and their classes.
std::pair<at::Tensor, at::Tensor> small_batch(std::int64_t n) {
  const auto x = at::linspace(0.0, 40.0, n * 16 * 16).sin().view({n, 1, 16, 16});
  return {x, at::arange(n).remainder(3)};
}

TEST(PartGradients, OfOnePartAreThoseOfTheWholeBatch) {
  const auto [x, y] = small_batch(20);
  const auto plain = make_network(small_layout(), 4);
  plain->train();
  const auto loss = at::cross_entropy_loss(plain->classify(plain->features(x)), y, {},
                                           at::Reduction::Mean, -100, 0.1);
  const auto want = torch::autograd::grad({loss}, plain->parameters());
  const auto network = make_network(small_layout(), 4);
  network->eval();
  PartGradients gradients(network, small_layout());
  EXPECT_NEAR(gradients(x, y, 0.1, 0.1), loss.item<double>(), 1e-6);
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_TRUE(at::allclose(network->parameters()[i].grad(), want[i], 1e-4, 1e-6)) << i;
  }
  const auto moved = network->buffers(), other = plain->buffers();
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (moved[i].is_floating_point()) {
      EXPECT_TRUE(at::allclose(moved[i], other[i], 1e-5, 1e-6)) << i;
    }
  }
}

TEST(PartGradients, EachPartHasItsOwnStatistics) {
  const auto [x, y] = small_batch(32);
  std::vector<at::Tensor> want, means;
  for (const std::int64_t begin : {0, 16}) {
    const auto plain = make_network(small_layout(), 4);
    plain->train();
    const auto rows = [&](const at::Tensor& all) { return all.narrow(0, begin, 16); };
    const auto loss =
        at::cross_entropy_loss(plain->classify(plain->features(rows(x))), rows(y)) / 2;
    const auto one = torch::autograd::grad({loss}, plain->parameters());
    for (std::size_t i = 0; i < one.size(); ++i) {
      begin == 0 ? want.push_back(one[i]) : void(want[i] = want[i] + one[i]);
    }
    means.push_back(plain->named_buffers()["bn1.running_mean"]);
  }
  const auto network = make_network(small_layout(), 4);
  network->eval();
  PartGradients gradients(network, small_layout());
  gradients(x, y, 0.0, 0.1);
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto got = network->parameters()[i].grad();
    // Measured on the whole tensor: sums over pixels cancel behind a norm, and other thread counts
    // add them in another order.
    EXPECT_LT((got - want[i]).norm().item<double>(), 1e-5 * want[i].norm().item<double>()) << i;
  }
  EXPECT_TRUE(at::allclose(network->named_buffers()["bn1.running_mean"],
                           (means[0] + means[1]) / 2.0, 1e-5, 1e-6));
  EXPECT_FALSE(at::allclose(means[0], means[1], 1e-3));
}

}  // namespace
}  // namespace medaug
