// SPDX-License-Identifier: MIT
#include "config/scalar.h"

#include <gtest/gtest.h>

namespace medaug {
namespace {

TEST(Scalar, OnlyTrueAndFalseAreBooleans) {
  EXPECT_EQ(parse_yaml_bool("true"), true);
  EXPECT_EQ(parse_yaml_bool("FALSE"), false);
  EXPECT_EQ(parse_yaml_bool("no"), std::nullopt);
  EXPECT_EQ(parse_yaml_bool("on"), std::nullopt);
  EXPECT_EQ(parse_yaml_bool("1"), std::nullopt);
}

TEST(Scalar, IntegersFollowTheCoreSchema) {
  EXPECT_EQ(parse_yaml_integer("010").value, 10);
  EXPECT_EQ(parse_yaml_integer("+7").value, 7);
  EXPECT_EQ(parse_yaml_integer("-7").value, -7);
  EXPECT_EQ(parse_yaml_integer("0x40").value, 64);
  EXPECT_EQ(parse_yaml_integer("0o100").value, 64);
  EXPECT_EQ(parse_yaml_integer("1e3").value, 1000);
  EXPECT_EQ(parse_yaml_integer("64.0").value, 64);
  EXPECT_EQ(parse_yaml_integer("9223372036854775807").value, 9223372036854775807LL);
}

TEST(Scalar, SaysWhyThereIsNoInteger) {
  EXPECT_EQ(parse_yaml_integer("3.5").fault, "is not a whole number");
  EXPECT_EQ(parse_yaml_integer("1:30").fault, "is not a whole number");
  EXPECT_EQ(parse_yaml_integer("1_000").fault, "is not a whole number");
  EXPECT_EQ(parse_yaml_integer("").fault, "is not a whole number");
  EXPECT_EQ(parse_yaml_integer("9223372036854775808").fault, "is out of range");
  EXPECT_EQ(parse_yaml_integer("1e30").fault, "is out of range");
  EXPECT_EQ(parse_yaml_integer(".inf").fault, "is not finite");
}

TEST(Scalar, RealsAreFinite) {
  EXPECT_EQ(parse_yaml_real("1.0e-4").value, 1e-4);
  EXPECT_EQ(parse_yaml_real(".5").value, 0.5);
  EXPECT_EQ(parse_yaml_real("+2").value, 2.0);
  EXPECT_EQ(parse_yaml_real(".nan").fault, "is not finite");
  EXPECT_EQ(parse_yaml_real("-.inf").fault, "is not finite");
  EXPECT_EQ(parse_yaml_real("1e400").fault, "is out of range");
  EXPECT_EQ(parse_yaml_real("inf").fault, "is not a number");
  EXPECT_EQ(parse_yaml_real("nan").fault, "is not a number");
  EXPECT_EQ(parse_yaml_real("1:30").fault, "is not a number");
  EXPECT_EQ(parse_yaml_real("-+1").fault, "is not a number");
  EXPECT_EQ(parse_yaml_real("+-1").fault, "is not a number");
}

}  // namespace
}  // namespace medaug
