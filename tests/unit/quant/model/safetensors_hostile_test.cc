// Headers that somebody made to hurt: each is refused with a sentence that names what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

std::string WithLength(uint64_t length, const std::string& json) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(length >> shift);
  return bytes + json;
}

std::string Refusal(const std::string& json, uint64_t data_bytes) {
  const std::string bytes = WithLength(json.size(), json);
  auto header = ParseSafetensorsHeader(bytes, bytes.size() + data_bytes, "f");
  if (header.ok()) return "accepted";
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(header.status().message());
}

std::string Tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string One(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"t\":" + Tensor(dtype, shape, offsets) + "}";
}

TEST(HostileHeader, TheSoundOneIsAccepted) { EXPECT_EQ(Refusal(One("\"U8\"", "[4]", "[0,4]"), 4), "accepted"); }

TEST(HostileHeader, Lengths) {
  const auto refusal = [](const std::string& bytes, uint64_t file_size) {
    return ParseSafetensorsHeader(bytes, file_size, "f").status().ToString();
  };
  EXPECT_THAT(refusal("", 0), HasSubstr("f: truncated"));
  EXPECT_THAT(refusal("1234567", 7), HasSubstr("truncated"));
  EXPECT_THAT(refusal(WithLength(0, ""), 8), HasSubstr("empty"));
  EXPECT_THAT(refusal(WithLength(3, "{}"), 10), HasSubstr("length 3 in a file of 10 bytes"));
  EXPECT_THAT(refusal(WithLength(3, "{}"), 11), HasSubstr("truncated"));
  EXPECT_THAT(refusal(WithLength(~uint64_t{0}, "{}"), 10), HasSubstr("above the limit"));
  EXPECT_THAT(refusal(WithLength((64 << 20) + 1, "{}"), uint64_t{1} << 40), HasSubstr("above the limit"));
}

TEST(HostileHeader, Text) {
  EXPECT_THAT(Refusal(" {}", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(Refusal("[]", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(Refusal("\xEF\xBB\xBF{}", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(Refusal("{", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal("{}{}", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal("{} x", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal(std::string("{}\0{}", 5), 0), HasSubstr("not JSON at byte 2"));
  EXPECT_THAT(Refusal("{}//", 0), HasSubstr("not JSON"));
  EXPECT_THAT(Refusal("{\"a\xFF\":" + Tensor("\"U8\"", "[0]", "[0,0]") + "}", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal("{\"\\ud800\":" + Tensor("\"U8\"", "[0]", "[0,0]") + "}", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal("{\"\\udc00\":" + Tensor("\"U8\"", "[0]", "[0,0]") + "}", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal("{\"a\nb\":" + Tensor("\"U8\"", "[0]", "[0,0]") + "}", 0), HasSubstr("not JSON at byte"));
  EXPECT_THAT(Refusal("{\"a\\nb\":" + Tensor("\"U8\"", "[0]", "[0,0]") + "}", 0), HasSubstr("control character"));
  EXPECT_THAT(Refusal("{\"a\\u0000b\":" + Tensor("\"U8\"", "[0]", "[0,0]") + "}", 0), HasSubstr("control character"));
  EXPECT_EQ(Refusal("{}  \n", 0), "accepted");
}

TEST(HostileHeader, Depth) {
  const size_t depth = 1000000;
  EXPECT_THAT(Refusal("{\"t\":" + std::string(depth, '['), 0), HasSubstr("unexpected array"));
  std::string objects;
  for (size_t i = 0; i < depth; ++i) objects += "{\"a\":";
  EXPECT_THAT(Refusal(objects, 0), HasSubstr("unknown member 'a'"));
  EXPECT_THAT(Refusal("{\"__metadata__\":{\"a\":{}}}", 0), HasSubstr("__metadata__"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[[4]]", "[0,4]"), 4), HasSubstr("unexpected array"));
}

TEST(HostileHeader, Members) {
  EXPECT_THAT(Refusal("{\"t\":{}}", 0), HasSubstr("dtype is missing"));
  EXPECT_THAT(Refusal("{\"t\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0), HasSubstr("data_offsets is missing"));
  EXPECT_THAT(Refusal("{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0), HasSubstr("duplicate key 'dtype'"));
  EXPECT_THAT(Refusal("{\"t\":{\"shape\":[],\"shape\":[]}}", 0), HasSubstr("duplicate key 'shape'"));
  EXPECT_THAT(Refusal("{\"t\":{\"colour\":1}}", 0), HasSubstr("unknown member 'colour'"));
  EXPECT_THAT(Refusal("{\"t\":7}", 0), HasSubstr("'t': unexpected number"));
  EXPECT_THAT(Refusal("{\"t\":null}", 0), HasSubstr("'t': unexpected null"));
  EXPECT_THAT(Refusal("{\"__metadata__\":{\"a\":1}}", 0), HasSubstr("__metadata__"));
  EXPECT_THAT(Refusal("{\"__metadata__\":[]}", 0), HasSubstr("__metadata__"));
  EXPECT_THAT(Refusal("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0), HasSubstr("duplicate key 'a'"));
  EXPECT_THAT(Refusal("{\"__metadata__\":{},\"__metadata__\":{}}", 0), HasSubstr("duplicate key '__metadata__'"));
  const std::string empty = Tensor("\"U8\"", "[0]", "[0,0]");
  EXPECT_THAT(Refusal("{\"a\":" + empty + ",\"b\":" + empty + ",\"a\":" + empty + "}", 0),
              HasSubstr("duplicate key 'a'"));
  EXPECT_THAT(Refusal("{\"a\":" + empty + ",\"\\u0061\":" + empty + "}", 0), HasSubstr("duplicate key 'a'"));
}

TEST(HostileHeader, DTypes) {
  EXPECT_THAT(Refusal(One("\"F4\"", "[4]", "[0,4]"), 4), HasSubstr("unknown dtype 'F4'"));
  EXPECT_THAT(Refusal(One("\"unknown\"", "[4]", "[0,4]"), 4), HasSubstr("unknown dtype"));
  EXPECT_THAT(Refusal(One("8", "[4]", "[0,4]"), 4), HasSubstr("unexpected number"));
}

TEST(HostileHeader, Numbers) {
  EXPECT_THAT(Refusal(One("\"U8\"", "[-4]", "[0,4]"), 4), HasSubstr("negative"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4.0]", "[0,4]"), 4), HasSubstr("not an integer"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0,4e0]"), 4), HasSubstr("not an integer"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0,18446744073709551616]"), 4), HasSubstr("not an integer"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[9223372036854775808]", "[0,4]"), 4), HasSubstr("too large"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0), HasSubstr("overflows"));
  EXPECT_THAT(Refusal(One("\"F64\"", "[2305843009213693952]", "[0,0]"), 0), HasSubstr("overflows"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[\"4\"]", "[0,4]"), 4), HasSubstr("unexpected string"));
}

TEST(HostileHeader, Ranges) {
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0]"), 4), HasSubstr("two numbers"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0,4,8]"), 4), HasSubstr("two numbers"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[4,0]"), 4), HasSubstr("backwards"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0,4]"), 3), HasSubstr("the file has 3 bytes"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[18446744073709551612,18446744073709551615]"), 4),
              HasSubstr("the file has"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0,3]"), 4), HasSubstr("need 4"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[1,5]"), 5), HasSubstr("a hole"));
  EXPECT_THAT(Refusal(One("\"U8\"", "[4]", "[0,4]"), 5), HasSubstr("1 bytes follow"));
  EXPECT_THAT(Refusal("{}", 1), HasSubstr("1 bytes follow"));
  const auto two = [](const std::string& a, const std::string& b) {
    return "{\"a\":" + Tensor("\"U8\"", "[4]", a) + ",\"b\":" + Tensor("\"U8\"", "[4]", b) + "}";
  };
  EXPECT_EQ(Refusal(two("[4,8]", "[0,4]"), 8), "accepted");
  EXPECT_THAT(Refusal(two("[0,4]", "[3,7]"), 8), HasSubstr("an overlap"));
  EXPECT_THAT(Refusal(two("[0,4]", "[0,4]"), 8), HasSubstr("an overlap"));
  EXPECT_THAT(Refusal(two("[0,4]", "[5,9]"), 9), HasSubstr("a hole"));
  const std::string gap =
      "{\"a\":" + Tensor("\"U8\"", "[4]", "[0,4]") + ",\"b\":" + Tensor("\"U8\"", "[0]", "[2,2]") + "}";
  EXPECT_THAT(Refusal(gap, 4), HasSubstr("'b'"));
}

TEST(HostileHeader, TooManyTensors) {
  std::string json = "{";
  for (int i = 0; i <= 100000; ++i)
    json += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":" + Tensor("\"U8\"", "[0]", "[0,0]");
  EXPECT_THAT(Refusal(json + "}", 0), HasSubstr("more than 100000 tensors"));
}

TEST(HostileHeader, LongKeysAreShortenedInMessages) {
  const std::string refusal = Refusal("{\"" + std::string(1000000, 'k') + "\":7}", 0);
  EXPECT_LT(refusal.size(), 300u);
  EXPECT_THAT(refusal, HasSubstr("1000000 bytes"));
}

}  // namespace
}  // namespace sub1quant
