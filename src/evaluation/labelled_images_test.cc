// SPDX-License-Identifier: MIT
#include "evaluation/labelled_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "evaluation/test_images.h"

namespace medaug {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::labelled;
using testing::test_images;
using testing::TestImages;

using Counts = std::vector<std::int64_t>;

TEST(LabelledImages, BalancedDrawsEveryClassEquallyOften) {
  auto images = test_images(7, 1);
  images.classes = {0, 1, 1, 1, 1, 1, 0};
  const auto even = balanced(images, 2);
  EXPECT_EQ(class_counts(images, 2), (Counts{2, 5}));
  EXPECT_EQ(class_counts(even, 2), (Counts{5, 5}));
  EXPECT_EQ(even.size(), 10);
  int first = 0, last = 0;
  for (std::int64_t i = 0; i < even.size(); ++i) {
    first += even.data->image(i).equal(images.data->image(0)) ? 1 : 0;
    last += even.data->image(i).equal(images.data->image(6)) ? 1 : 0;
    EXPECT_EQ(even.classes[static_cast<std::size_t>(i)],
              images.classes[static_cast<std::size_t>(even.data->record(i).line - 1)]);
  }
  EXPECT_EQ(first, 3);
  EXPECT_EQ(last, 2);
}

TEST(LabelledImages, JoinedHoldsBothInTheirOrder) {
  const auto a = test_images(3, 1), b = test_images(2, 2);
  const auto both = joined(a, b);
  ASSERT_EQ(both.size(), 5);
  EXPECT_TRUE(both.data->image(3).equal(b.data->image(0)));
  EXPECT_EQ(both.classes, (Counts{0, 1, 0, 0, 1}));
  EXPECT_NE(both.data->content_hash(), joined(b, a).data->content_hash());
}

TEST(LabelledImages, CopiesAreFoundByTheirPixels) {
  auto data = std::make_shared<TestImages>(4, 2);
  const auto original = test_images(6, 1);
  data->set_image(1, original.data->image(5));
  const auto left = without_copies(labelled(data), original);
  EXPECT_EQ(left.size(), 3);
  EXPECT_EQ(left.classes, (Counts{0, 0, 1}));
}

TEST(LabelledImages, ChoicesOfChoicesAreHashedInOnePass) {
  auto images = test_images(64, 1);
  std::vector<std::int64_t> turned;
  for (std::int64_t i = 0; i < images.size(); ++i) {
    turned.push_back(images.size() - 1 - i);
  }
  // Were each of them to ask the one below for every image, this would not end.
  for (int depth = 0; depth < 12; ++depth) {
    images = chosen(images, turned);
  }
  EXPECT_NE(images.data->content_hash(), chosen(images, turned).data->content_hash());
}

TEST(Leaks, NoneBetweenDifferentImages) {
  EXPECT_NO_THROW(refuse_leaks(test_images(6, 1, "train"), test_images(6, 2, "val")));
}

TEST(Leaks, TheSamePictureIsNamedAtBothPlaces) {
  auto data = std::make_shared<TestImages>(6, 2);
  const auto train = test_images(6, 1, "train");
  data->set_image(3, train.data->image(1));
  data->set_image(4, train.data->image(0));
  try {
    refuse_leaks(train, labelled(data, "val"));
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("val:4"), HasSubstr("the same picture as at train:2"),
                                HasSubstr("and 1 more")));
  }
}

TEST(Leaks, AGroupBelongsToOneSplit) {
  auto train = std::make_shared<TestImages>(6, 1), val = std::make_shared<TestImages>(6, 2);
  train->set_group(5, "patient 9");
  val->set_group(2, "patient 9");
  try {
    refuse_leaks(labelled(train, "train"), labelled(val, "val"));
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("val:3"), HasSubstr("'patient 9'"), HasSubstr("train:6"),
                                HasSubstr("split by patient")));
  }
}

}  // namespace
}  // namespace medaug
