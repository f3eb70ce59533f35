// SPDX-License-Identifier: MIT
#include "app/http/multipart.h"

#include <gtest/gtest.h>

#include "app/http/message.h"

namespace medaug::app {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=\"x y\"";

std::string part(const std::string& header, const std::string& bytes) {
  return "--x y\r\n" + header + "\r\n\r\n" + bytes + "\r\n";
}

int status_of(std::string_view type, std::string_view body) {
  try {
    parse_form(type, body);
    return 200;
  } catch (const HttpError& e) {
    return e.problem().status;
  }
}

TEST(ParseForm, GivesNamesBytesAndWhetherItIsAFile) {
  const std::string bytes("\0\r\n--x z\r\n", 10);
  const auto body = part("content-disposition: form-data; name=\"a\\\"b;c\"", "text") +
                    part(
                        "Content-Disposition: form-data; filename=\"../../p.png\"; name=image\r\n"
                        "Content-Type: image/png; q=1",
                        bytes) +
                    "--x y--\r\n";
  const auto parts = parse_form(kType, body);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].name, "a\"b;c");
  EXPECT_EQ(parts[0].bytes, "text");
  EXPECT_FALSE(parts[0].is_file);
  EXPECT_EQ(parts[1].name, "image");
  EXPECT_EQ(parts[1].type, "image/png");
  EXPECT_EQ(parts[1].bytes, bytes);
  EXPECT_TRUE(parts[1].is_file);
}

TEST(ParseForm, TakesNoPartsAndEmptyOnes) {
  EXPECT_TRUE(parse_form(kType, "--x y--").empty());
  const auto body = part("Content-Disposition: form-data; name=a", "") + "--x y--";
  EXPECT_EQ(parse_form(kType, body).front().bytes, "");
}

TEST(ParseForm, RefusesWhatIsMalformed) {
  const std::string head = "Content-Disposition: form-data; name=a";
  EXPECT_EQ(status_of("multipart/form-data", "--x--"), 400);
  EXPECT_EQ(status_of("multipart/form-data; boundary=", "----"), 400);
  EXPECT_EQ(status_of(kType, ""), 400);
  EXPECT_EQ(status_of(kType, "--x y"), 400);
  EXPECT_EQ(status_of(kType, part(head, "no end")), 400);
  EXPECT_EQ(status_of(kType, part("no colon", "") + "--x y--"), 400);
  EXPECT_EQ(status_of(kType, part("Content-Type: text/plain", "") + "--x y--"), 400);
  EXPECT_EQ(status_of(kType, part(head + "\r\nContent-Type: multipart/mixed", "") + "--x y--"),
            400);
  EXPECT_EQ(status_of(kType, part(head + std::string(9000, 'a'), "") + "--x y--"), 413);
  std::string many;
  for (int i = 0; i < 65; ++i) {
    many += part(head, "");
  }
  EXPECT_EQ(status_of(kType, many + "--x y--"), 413);
}

TEST(ParseForm, EveryCutIsRefused) {
  const auto body = part("Content-Disposition: form-data; name=a", "bytes") + "--x y--";
  for (std::size_t i = 0; i < body.size(); ++i) {
    EXPECT_EQ(status_of(kType, body.substr(0, i)), 400) << i;
  }
}

}  // namespace
}  // namespace medaug::app
